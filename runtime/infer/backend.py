"""What computes values of a model: a backend, found by name, and nothing else.

A backend is a class of its own in `runtime/infer/backends/NAME.py`, or anywhere else and then `register`ed or named by an
entry point of the group `cmt_dsl.backends`. It takes a program and gives a function of arrays:

    class Doubled(Backend):
        name = "doubled"

        def load(self, program, outputs, **how):
            return lambda images: [run_all(program.graph, program.weights, images * 2, outputs)[p] for p in outputs]
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import ClassVar, Literal, get_args

from cmt_dsl.errors import CmtError, did_you_mean
from cmt_dsl.ir import Program
from runtime.array import Array
from runtime.infer import backends as room

Compute = Callable[[Array], list[Array]]
"""Images [n, c, h, w] float32 to the values of the outputs it was loaded for, on the host."""

Precision = Literal["float32", "float16", "bfloat16"]
"""What products are computed in. Norms, softmax and what leaves the model are float32 in each."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

GROUP = "cmt_dsl.backends"
"""Entry points of packages that bring a backend."""

_registered: dict[str, type[Backend]] = {}


class Backend(ABC):
    """Computes programs. Its name is what `--backend` takes."""

    name: ClassVar[str]
    place: str = ""
    """Which of `places` it computes in: what follows the colon of `--backend NAME:PLACE`; "" leaves it to the backend."""
    folds: bool = True
    """Whether a backend that folds programs before it computes them does so; `cmt bench` measures it without, too."""

    def places(self) -> tuple[str, ...]:
        """Processors and accelerators that it can be asked for here, the usual one first; none: it has no choice."""
        return ()

    def missing(self) -> str | None:
        """Why it cannot work here, with what would help; None where it can."""
        return None

    @abstractmethod
    def load(
        self,
        program: Program,
        outputs: Sequence[str],
        *,
        precision: Precision = "float32",
        threads: int | None = None,
        batch: int | None = None,
        batches: int = 1,
    ) -> Compute:
        """A function from images to the values of the nodes `outputs`, in that order.

        Args:
            program: a verified graph with its weights.
            outputs: paths of nodes, each once.
            precision: as `Precision` says; CMT-804 for one that this backend lacks.
            threads: processor threads to use; None leaves it to the backend.
            batch: how many images each call brings, if that is known.
            batches: how many calls there will be, as far as that is known: whether preparing longer is worth while.
        """

    def device(self) -> str:
        """Where it computes, once something is loaded."""
        return "CPU"

    def session(self, verb: str) -> contextlib.AbstractContextManager[object]:
        """Entered around loading and computing: what a framework prints goes elsewhere, what it raises becomes CmtError."""
        return contextlib.nullcontext()


def register(kind: type[Backend]) -> type[Backend]:
    """Make a backend known by its name, in this process; also a decorator."""
    _registered[kind.name] = kind
    return kind


def names() -> tuple[str, ...]:
    """Of all backends, those that are missing something here included; nothing is imported."""
    own = [module.name for module in pkgutil.iter_modules(room.__path__)]
    others = [entry.name for entry in metadata.entry_points(group=GROUP)]
    return tuple(dict.fromkeys([*own, *_registered, *others]))


def backend(named: str) -> Backend:
    """The backend `NAME` or `NAME:PLACE`, able to work here.

    CMT-840 for an unknown name, CMT-841 where it lacks something, CMT-866 for a place that it has not here.
    """
    name, _, place = named.partition(":")
    found = _kind(name)()
    if reason := found.missing():
        usable = [each for each in names() if each != name and not _kind(each)().missing()]
        raise CmtError(
            "CMT-841", f"backend {name} cannot work here: {reason}", hint=f"--backend {' or '.join(usable)}"
        )
    if ":" in named:
        places = found.places()
        if place not in places:
            message = f"backend {name} has no '{place}' here" if places else f"backend {name} has no places"
            options = [f"{name}:{each}" for each in places] or [name]
            raise CmtError("CMT-866", message, hint=f"--backend {' or '.join(options)}")
        found.place = place
    return found


def loaded(
    by: Backend,
    program: Program,
    paths: Sequence[str] = (),
    *,
    precision: Precision = "float32",
    threads: int | None = None,
    batch: int | None = None,
    batches: int = 1,
) -> Compute:
    """`program` in a backend: images to the values at `paths` (none: the logits), in their order.

    Paths are those of nodes, blocks or stages; several may mean the same value. CMT-404 for one that there is not.
    """
    graph = program.graph
    nodes = [graph.output_of(path) for path in paths] or [graph.output.path]
    once = tuple(dict.fromkeys(nodes))
    places = [once.index(node) for node in nodes]
    compute = by.load(program, once, precision=precision, threads=threads, batch=batch, batches=batches)

    def values(images: Array) -> list[Array]:
        found = compute(images)
        return [found[place] for place in places]

    return values


def _kind(name: str) -> type[Backend]:
    if name in _registered:
        return _registered[name]
    if name in {module.name for module in pkgutil.iter_modules(room.__path__)}:
        found = vars(importlib.import_module(f"{room.__name__}.{name}")).values()
        kinds = (kind for kind in found if isinstance(kind, type) and issubclass(kind, Backend))
        return next(kind for kind in kinds if getattr(kind, "name", "") == name)
    for entry in metadata.entry_points(group=GROUP):
        if entry.name == name:
            return register(entry.load())
    known = names()
    raise CmtError(
        "CMT-840",
        f"there is no backend '{name}'",
        hint=did_you_mean(name, known),
    )
