"""Inference of models in backends, measured in turn: from what is asked to a report."""

from __future__ import annotations

from cmt_dsl import cost
from cmt_dsl.errors import CmtError
from runtime.deploy.bench import matmul
from runtime.deploy.bench.contender import Contender, processors, worker
from runtime.deploy.bench.figures import Asked, Report, report
from runtime.deploy.bench.interleave import Session, Tell
from runtime.deploy.bench.machine import machine
from runtime.deploy.bench.subject import subject
from runtime.infer.backend import PRECISIONS, backend

WORKER = "runtime.deploy.bench.worker"


class Stopped(Exception):
    """Ctrl-C; `report` is what was measured before it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__("stopped")


def asked(
    models: list[str],
    *,
    backends: str,
    batches: str,
    precisions: str,
    threads: int | None,
    rounds: int,
    seconds: float,
    size: str | None,
    optimise: bool,
    peak: bool,
) -> Asked:
    """What was typed, checked: lists are of words between commas. CMT-863 for what cannot be meant."""
    there = len(processors())
    if threads is not None and not 1 <= threads <= there:
        raise odd(f"--threads {threads}: this process may use {there} processors", f"1 to {there}")
    if not 1 <= rounds <= 1000:
        raise odd(f"--rounds {rounds}", "1 to 1000")
    if not 0 < seconds <= 3600:  # no number is neither
        raise odd(f"--seconds {seconds:g}: a figure needs a time to compute in", "more than 0, at most 3600")
    named = _words("--precision", precisions)
    for name in named:
        if name not in PRECISIONS:
            raise odd(f"--precision {name}: there is no such precision", f"known: {', '.join(PRECISIONS)}")
    return Asked(
        models=tuple(dict.fromkeys(models)),
        backends=_words("--backend", backends),
        precisions=named,
        batches=tuple(_positive("--batch", word) for word in _words("--batch", batches)),
        threads=threads or there,
        rounds=rounds,
        seconds=seconds,
        size=_size(size) if size is not None else None,
        optimise=optimise,
        peak=peak,
    )


def odd(what: str, wanted: str) -> CmtError:
    """The error of an argument that cannot be meant."""
    return CmtError("CMT-863", what, hint=wanted)


def _words(option: str, text: str) -> tuple[str, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise odd(f"{option} '{text}': a word is missing", "one word, or several between commas")
    return tuple(dict.fromkeys(words))


def _positive(option: str, word: str) -> int:
    if not (word.isascii() and word.isdigit()) or len(word) > 6 or int(word) == 0:
        raise odd(f"{option} {word}", "a number of images from 1 to 999999, such as 8, or several as 1,8,32")
    return int(word)


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2:
        raise odd(f"--size {text}", "rows and columns in pixels, such as 224x224, or one side")
    first, *_ = found = [_positive("--size", side) for side in sides]
    return first, found[-1]


def contenders(what: Asked) -> tuple[list[Contender], list[str]]:
    """Who will be measured, in the order of the table; and why a backend is not.

    CMT-840 for a backend that nobody knows, and all that is wrong with the models; CMT-862 where no backend is left.
    """
    usable, notes, hint = list[str](), list[str](), ""
    for name in what.backends:
        try:
            backend(name)
        except CmtError as error:
            if error.code not in ("CMT-841", "CMT-866"):
                raise
            problem = error.problems[0]
            notes.append(f"{problem.message} [{problem.code}]")
            hint = hint or problem.hint
        else:
            usable.append(name)
    if not usable:
        raise nothing(notes, hint)
    macs: dict[str, tuple[str, int]] = {}
    for name in what.models:
        model, program = subject(name, what.size)
        taken = {known for known, _ in macs.values()}
        macs[name] = (model.name if model.name not in taken else name, cost(program.graph).total.macs)
    found = [
        Contender(
            shown,
            by,
            precision,
            batch,
            count,
            worker(WORKER),
            {"model": name, "size": what.size, "backend": by, "optimise": what.optimise},
        )
        for batch in what.batches
        for name, (shown, count) in macs.items()
        for by in usable
        for precision in what.precisions
    ]
    return found, notes


def nothing(notes: list[str], hint: str = "") -> CmtError:
    """The error of a measurement without a figure."""
    return CmtError(
        "CMT-862",
        f"nothing could be measured: {'; '.join(notes)}",
        hint=hint or "see `cmt doctor` for what is here",
    )


def measure(what: Asked, tell: Tell) -> Report:
    """All of it. CMT-862 where nothing is left to measure; Stopped, with what there is, for Ctrl-C."""
    found, notes = contenders(what)
    references = matmul.candidates(what.precisions) if what.peak else []
    session = Session(threads=what.threads, rounds=what.rounds, seconds=what.seconds, tell=tell)
    try:
        session.run(found, references)
    except KeyboardInterrupt:
        raise Stopped(report(session, what, machine(), notes)) from None
    made = report(session, what, machine(), notes)
    if not made.rows:
        raise nothing(list(made.notes))
    return made
