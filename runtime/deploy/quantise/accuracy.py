"""What int8 costs on held-out images, and which parts of a model cost it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.data.source import WHOLE, Batch, Shard, Source
from runtime.deploy.quantise.quantise import BATCH, Quantiser, opened
from runtime.deploy.quantise.ranges import Compute
from runtime.infer.evaluate import Measured, evaluate


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
    """A stage, or a kind of node: what the model gains when it alone stays in float."""

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
        head = f"{'left in float':<16} {'nodes':>5} {'top-1':>8} {'gain':>8} {'loss falls by':>14}"
        rows = [
            f"{p.name:<16} {p.nodes:>5} {p.top1:>8.2%} {p.gain:>+8.2f} {p.loss:>14.4f}" for p in self.parts
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
    """Leave each stage and each kind in float once and measure; `whole` is the model with all of them in int8."""
    taken = quantiser.nodes()
    names = dict.fromkeys([*(each.kind for each in taken), *(each.stage for each in taken)])
    parts: list[Part] = []
    for name in names:
        own = sum(each.called(name) for each in taken)
        tell(f"measuring with {name} in float …")
        batch = min(BATCH, source.val_size)
        model = quantiser.model(keep=[name]) if own < len(taken) else quantiser.floats()
        found = evaluate(opened(model, quantiser.for_, batch), source, batch)
        gain = 100 * (found.top1 - whole.top1)
        parts.append(Part(name, own, found.top1, gain, whole.loss - found.loss))
    parts.sort(key=lambda part: (-part.gain, -part.loss))
    return Blame(tuple(parts), whole)
