"""What int8 costs on held-out images, and which parts of a model cost it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.data.source import WHOLE, Batch, Shard, Source
from runtime.deploy.quantise.quantise import BATCH, Quantiser, opened
from runtime.deploy.quantise.ranges import Compute
from runtime.infer.evaluate import Measured, evaluate

SINGLE = 8
"""Nodes of the worst stage and kind that are looked at one by one."""


class Some:
    """A source of which every k-th held-out image is shown, so that at most `limit` are, of all classes."""

    def __init__(self, source: Source, limit: int) -> None:
        self._source, self._every = source, -(-source.val_size // limit)
        self.val_size = -(-source.val_size // self._every)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def val(self, batch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        return self._source.val(batch, Shard(shard.index * self._every, shard.count * self._every))


def limited(source: Source, limit: int | None) -> Source:
    """At most `limit` held-out images, None: all."""
    if limit is None or limit >= source.val_size:
        return source
    some: Any = Some(source, limit)
    return some


def accuracy(compute: Compute, source: Source, batch: int = BATCH) -> Measured:
    """What a model makes of the held-out images; CMT-853 where it gives no numbers."""
    measured = evaluate(compute, source, batch)
    if measured.unanswered:
        message = f"the int8 model gives no numbers for {measured.unanswered} of {measured.images} images"
        raise CmtError("CMT-853", message, hint="--calibrate minmax, or --keep the parts at fault")
    return measured


@dataclass(frozen=True)
class Part:
    """A stage, a kind of node or one node: what the model gains when it alone stays in float."""

    name: str
    nodes: int
    top1: float
    """With it in float."""
    gain: float
    """Points of top-1."""
    loss: float
    """How much the mean cross-entropy falls."""


@dataclass(frozen=True)
class Blame:
    """Every part, the most harmful first."""

    parts: tuple[Part, ...]
    whole: Measured
    """With all of it in int8."""

    def table(self) -> list[str]:
        """A head and a line each."""
        head = f"{'left in float':<34} {'nodes':>5} {'top-1':>8} {'gain':>8} {'loss falls by':>14}"
        rows = [
            f"{p.name:<34} {p.nodes:>5} {p.top1:>8.2%} {p.gain:>+8.2f} {p.loss:>14.4f}" for p in self.parts
        ]
        return [head, *rows]

    def worst(self, most: int = 3) -> str:
        """The parts whose absence helps."""
        helping = [p for p in self.parts if p.gain > 0 or p.loss > 0][:most]
        return ", ".join(f"{p.name} ({p.gain:+.2f} points in float)" for p in helping) or "no single part"

    def json(self) -> list[dict[str, Any]]:
        return [vars(part) for part in self.parts]


def sensitivity(
    quantiser: Quantiser,
    source: Source,
    whole: Measured,
    tell: Callable[[str], object] = lambda text: None,
) -> Blame:
    """Leave each stage and each kind in float once and measure; `whole` is the model with all of them in int8.

    Where one of each is to blame, so is each node that is in both, as long as these are few.
    """
    taken = quantiser.nodes()
    batch = min(BATCH, source.val_size)

    def without(name: str) -> Part:
        own = sum(each.called(name) for each in taken)
        tell(f"measuring with {name} in float …")
        model = quantiser.model(keep=[name]) if own < len(taken) else quantiser.floats()
        found = evaluate(opened(model, quantiser.for_, batch), source, batch)
        return Part(name, own, found.top1, 100 * (found.top1 - whole.top1), whole.loss - found.loss)

    kinds = _worst_first(map(without, dict.fromkeys(each.kind for each in taken)))
    stages = _worst_first(map(without, dict.fromkeys(each.stage for each in taken)))
    parts = [*kinds, *stages]
    if kinds[0].gain > 0 and stages[0].gain > 0:
        both = [e.name for e in taken if e.called(kinds[0].name) and e.called(stages[0].name)]
        parts += map(without, both if len(both) <= SINGLE else ())
    return Blame(tuple(_worst_first(parts)), whole)


def _worst_first(parts: Iterable[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: (-part.gain, -part.loss, part.nodes))
