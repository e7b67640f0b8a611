"""What times say: medians, rates and shares of the machine's peak; and the report as data with a schema."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from runtime.deploy.bench.interleave import Session, Track
from runtime.deploy.bench.machine import Machine


class Strict(BaseModel):
    """Data of a report: nothing but the fields, and all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(Strict):
    """What was to be measured."""

    models: tuple[str, ...]
    backends: tuple[str, ...]
    precisions: tuple[str, ...]
    batches: tuple[int, ...]
    threads: int
    rounds: int
    seconds: float = Field(description="of computing for each figure, over all rounds")
    size: tuple[int, int] | None = Field(description="rows and columns of the images; null: the model's own")
    optimise: bool
    peak: bool


class Row(Strict):
    """Figures of one model in one backend, precision and batch."""

    model: str
    backend: str
    precision: str
    batch: int
    device: str
    version: str | None = Field(description="of the backend's package")
    rounds: int = Field(description="that were measured")
    calls: int
    median_s: float = Field(description="seconds of a call")
    p95_s: float = Field(description="the time that 95 % of the calls did not exceed (nearest rank)")
    images_per_s: float
    spread: float = Field(description="slowest minus fastest round's median, as a fraction of the median")
    load_s: float = Field(description="seconds from nothing to a loaded model: imports, folding, compiling")
    first_s: float = Field(description="seconds of the first call, which compiles too in some backends")
    memory_bytes: int = Field(description="that the process was resident with at most")
    gmacs: float = Field(description="multiply-accumulates of an image by `cmt cost`, in 10^9")
    gflops: float = Field(description="2 x MACs / s, in 10^9, whatever was folded away")
    peak_share: float | None = Field(
        description="gflops / the peak's of this batch's rounds; null: not measured"
    )


class Peak(Strict):
    """The rate of matrix products, measured in the rounds of one batch: the fastest library's."""

    precision: str
    batch: int = Field(description="of the models that it was measured beside")
    library: str
    version: str
    size: int = Field(description="rows and columns of the matrices")
    calls: int
    gflops: float = Field(description="2 x size^3 / the median time, in 10^9")
    others: dict[str, float] = Field(description="gflops of the slower libraries")


class Report(Strict):
    """All of a measurement; `--json` writes it."""

    form: str = Field("cmt-bench-infer-1", description="of this report")
    complete: bool = Field(description="false where it was stopped before all rounds were measured")
    asked: Asked
    machine: Machine
    rows: tuple[Row, ...]
    peaks: tuple[Peak, ...]
    notes: tuple[str, ...] = Field(description="what is not measured, or not to the end, and why")


def nearest_rank(times: Sequence[float], fraction: float) -> float:
    """The smallest of the times that so many of them do not exceed."""
    return sorted(times)[max(0, math.ceil(fraction * len(times)) - 1)]


def row(track: Track, peak: Peak | None) -> Row | None:
    """Figures of a track that has times."""
    who, times = track.contender, track.times
    if not times:
        return None
    median = statistics.median(times)
    medians = [statistics.median(each) for each in track.rounds]
    gflops = 2e-9 * who.macs * who.batch / median
    device = str(track.facts.get("device", "CPU"))
    return Row(
        model=who.model,
        backend=who.by,
        precision=who.precision,
        batch=who.batch,
        device=device,
        version=track.facts.get("version"),
        rounds=len(medians),
        calls=len(times),
        median_s=median,
        p95_s=nearest_rank(times, 0.95),
        images_per_s=who.batch / median,
        spread=(max(medians) - min(medians)) / median,
        load_s=track.facts["load_s"],
        first_s=track.facts["first_s"],
        memory_bytes=track.memory,
        gmacs=who.macs / 1e9,
        gflops=gflops,
        peak_share=gflops / peak.gflops if peak and device == "CPU" else None,
    )


def peaks(session: Session) -> list[Peak]:
    """For each batch and precision the fastest library."""
    found: list[Peak] = []
    for batch, tracks in session.peaks.items():
        for precision in dict.fromkeys(track.contender.precision for track in tracks):
            rates = {
                _rate(track): track
                for track in tracks
                if track.contender.precision == precision and track.times
            }
            if not rates:
                continue
            best = max(rates)
            track = rates[best]
            others = {each.contender.by: rate for rate, each in rates.items() if rate != best}
            found.append(
                Peak(
                    precision=precision,
                    batch=batch,
                    library=track.contender.by,
                    version=str(track.facts["version"]),
                    size=track.facts["size"],
                    calls=len(track.times),
                    gflops=best,
                    others=others,
                )
            )
    return found


def _rate(track: Track) -> float:
    return 2e-9 * track.facts["macs"] / statistics.median(track.times)


def report(session: Session, asked: Asked, machine: Machine, notes: Sequence[str] = ()) -> Report:
    """What a session has measured so far; `notes` are of those that were not begun."""
    best = peaks(session)
    by_group = {(peak.batch, peak.precision): peak for peak in best}
    found = (
        row(track, by_group.get((track.contender.batch, track.contender.precision)))
        for track in session.tracks
    )
    said = [*notes, *_losses(session.tracks)]
    if asked.peak and session.peaks:
        missing = [name for name in asked.precisions if name not in {peak.precision for peak in best}]
        said += [f"matmul peak in {name}: not measured{_why(session, name)}" for name in missing]
    return Report(
        form="cmt-bench-infer-1",
        complete=session.complete,
        asked=asked,
        machine=machine,
        rows=tuple(each for each in found if each is not None),
        peaks=tuple(best),
        notes=tuple(said),
    )


def _losses(tracks: Sequence[Track]) -> list[str]:
    """Why some are not measured; the same reason in several batches once."""
    found: dict[tuple[str, str, str, str], list[int]] = {}
    for track in tracks:
        if track.lost:
            who = track.contender
            found.setdefault((who.model, who.by, who.precision, track.lost), []).append(who.batch)
    return [
        f"{model}, {by}, {precision}, batch {', '.join(map(str, batches))}: {why}"
        for (model, by, precision, why), batches in found.items()
    ]


def _why(session: Session, precision: str) -> str:
    tracks = [*session.references, *(track for each in session.peaks.values() for track in each)]
    reasons = [track.lost for track in tracks if track.contender.precision == precision and track.lost]
    return f": {'; '.join(reasons)}" if reasons else ""
