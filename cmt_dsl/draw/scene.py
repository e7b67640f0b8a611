"""The drawing model: what every picture of a graph shows, as plain frozen data.

Renderers (text, Mermaid, DOT, the HTML page) read a `Scene` and add no facts of their own, so all
of them show the numbers of `cmt cost`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from cmt_dsl.cost import Tally
from cmt_dsl.errors import Place
from cmt_dsl.ir import above

EdgeKind = Literal["flow", "residual", "shared"]
"""`residual`: skips what lies beside it, into an addition; `shared`: from a parameter several read."""
Family = Literal[
    "input", "outside", "stage", "block",
    "convolution", "linear", "attention", "norm", "activation", "arithmetic", "shape", "parameter", "noise",
]  # fmt: skip
"""What a box is coloured by. `outside` is a value from outside of the drawn part; `noise` only trains."""


@dataclass(frozen=True)
class Figures:
    """Exact cost of something drawn; of all its instances together where it is folded."""

    trainable: int
    statistics: int
    macs: int
    activations: int
    """Bytes in float32 for one image."""
    share: float
    """Part of the whole model's MACs, 0 to 1."""
    params_share: float
    """Part of the whole model's trainable parameters, 0 to 1."""

    @staticmethod
    def of(tally: Tally, total: Tally) -> Figures:
        """A tally with its shares of the whole model's."""
        macs = tally.macs / total.macs if total.macs else 0.0
        params = tally.trainable / total.trainable if total.trainable else 0.0
        return Figures(tally.trainable, tally.statistics, tally.macs, tally.activations, macs, params)


@dataclass(frozen=True)
class Thing:
    """What boxes and clusters have in common: a node, a scope, or a run of equal scopes."""

    path: str
    """Unique; of a run, the path of its first instance, whose inside stands for all."""
    title: str
    """The path below the cluster around it, with the run's range: `blocks.0–15`."""
    what: str
    """The operator's kind or the block's name."""
    family: Family
    instances: tuple[str, ...]
    """Paths of all instances; one unless folded."""
    times: int
    """How often this stands in the model: its own instances times those of the runs around it."""
    output: tuple[int | None, ...]
    """Shape of the output; None is the batch."""
    figures: Figures
    """Of `instances` together, for one instance of the runs around it."""
    cluster: str
    """Path of the cluster around it, "" at the top."""
    place: Place | None = field(compare=False)
    """Where the spec or block file says so."""

    @property
    def count(self) -> int:
        """The N of ×N."""
        return len(self.instances)


@dataclass(frozen=True)
class Box(Thing):
    """A leaf of the drawing: an operator, or a block that the level does not open."""

    attributes: tuple[tuple[str, Any], ...] = ()
    """All attributes of an operator."""
    brief: tuple[tuple[str, Any], ...] = ()
    """Those that tell it apart from others of its kind."""
    training_only: bool = False
    shared_by: int = 0
    """How many nodes of the whole model read this parameter, when more than one does."""


@dataclass(frozen=True)
class Cluster(Thing):
    """A stage or block that is drawn open, around what is in it."""


@dataclass(frozen=True)
class Edge:
    """The value of one box read by another (paths of boxes)."""

    source: str
    target: str
    kind: EdgeKind = "flow"


@dataclass(frozen=True)
class Scene:
    """A whole drawing. Boxes are in topological order, clusters outside in."""

    model: str
    doc: str
    level: str
    path: str
    """The part that is drawn; "" is the model."""
    boxes: tuple[Box, ...]
    clusters: tuple[Cluster, ...]
    edges: tuple[Edge, ...]
    total: Figures
    """Of the whole model."""
    blocks: tuple[str, ...]
    """Names of the blocks in use, in the order of their first appearance: for stable colours."""

    @cached_property
    def by_path(self) -> dict[str, Box | Cluster]:
        """Boxes and clusters by path."""
        return {thing.path: thing for thing in (*self.clusters, *self.boxes)}

    @cached_property
    def _instances(self) -> dict[str, str]:
        return {i: thing.path for thing in (*self.clusters, *self.boxes) for i in thing.instances}

    def shown(self, path: str) -> Box | Cluster | None:
        """What stands for a path of the graph in this drawing: itself, its fold, or a box around it."""
        while path not in self.by_path:
            for prefix in (path, *above(path)):
                drawn = self._instances.get(prefix)
                if drawn is None:
                    continue
                thing = self.by_path[drawn]
                if isinstance(thing, Box):
                    return thing
                if drawn == prefix:
                    continue
                path = drawn + path[len(prefix) :]
                break
            else:
                return None
        return self.by_path[path]

    def inside(self, cluster: str) -> tuple[Box | Cluster, ...]:
        """What lies directly in a cluster ("" is the top), in order."""
        return self._inside.get(cluster, ())

    @cached_property
    def _inside(self) -> dict[str, tuple[Box | Cluster, ...]]:
        found: dict[str, list[Box | Cluster]] = {}
        placed: set[str] = set()
        clusters = {cluster.path: cluster for cluster in self.clusters}
        for box in self.boxes:  # a cluster stands where its first box does
            thing: Box | Cluster = box
            while thing.path not in placed:
                placed.add(thing.path)
                found.setdefault(thing.cluster, []).append(thing)
                if not thing.cluster:
                    break
                thing = clusters[thing.cluster]
        return {path: tuple(things) for path, things in found.items()}

    def json(self) -> dict[str, Any]:
        """Plain data: lists, mappings, texts, numbers."""
        plain = dataclasses.asdict(self)
        for thing in (*plain["boxes"], *plain["clusters"]):
            thing["count"] = len(thing["instances"])
        return plain
