"""Weights of any known file, as a model with arrays by path; strict, and without a framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import Graph, Model, build, load, load_text
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.weights.initial import initial
from runtime.array import Array, Arrays
from runtime.checkpoint.file import Checkpoint, load_checkpoint
from runtime.checkpoint.formats.foreign import container, read_foreign
from runtime.checkpoint.recognise import NAMINGS, recognise
from runtime.checkpoint.verify import require_fit

COUNTERS = "converted_counters"
"""Key of a native file's metrics under which the source's counters are kept, for the way back."""


@dataclass(frozen=True)
class Imported:
    """A model with its weights by path, float32, and where they came from."""

    model: Model
    graph: Graph
    arrays: Arrays
    source: str
    """Such as 'pth of the official PyTorch code'."""
    notes: tuple[str, ...]
    counters: dict[str, int]
    checkpoint: Checkpoint | None = None
    """The file itself, where it is one of ours."""
    which: str = "raw"
    """Which of the file's sets of weights: "raw", "ema", or the key of a state dict."""
    given_names: tuple[str, ...] = ()
    """Class names that were given beside the file."""
    path: Path = Path()
    """The file."""

    @cached_property
    def program(self) -> Program:
        """The graph with its weights, for a backend."""
        return Program.of(self.graph, self.arrays)

    @property
    def recipe(self) -> dict[str, Any]:
        """What the weights were trained by, as data; empty where that is not known."""
        return self.checkpoint.recipe if self.checkpoint else {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the logits in order; none where neither the file nor the user says them."""
        return self.given_names or (tuple(self.checkpoint.classes) if self.checkpoint else ())

    def named(self, names: Sequence[str], source: str) -> Imported:
        """The same with class names; CMT-511 unless there is one for each class."""
        if len(names) != self.model.classes:
            message = f"{source} names {len(names)} classes, the model has {self.model.classes}"
            raise CmtError("CMT-511", message, hint="one name for each logit, in order")
        return replace(self, given_names=tuple(names))


def load_weights(
    path: Path,
    *,
    spec: str | None = None,
    overrides: Sequence[str] = (),
    which: str = "raw",
    first: Model | None = None,
    anew: int | None = None,
) -> Imported:
    """Read one set of weights of any known file; CMT-601 to 605, 610, 806 and CMT-630 to 634.

    `which` is "raw", "ema" or, in a `.pth`, also the key of a state dict. `first` is a model that the weights of
    another project may be of, before the shipped ones. With `anew` a file of another project may lack exactly the
    classifier: that starts from this seed.
    """
    if container(path) == "native":
        return _native(path, spec, overrides, which)
    found = read_foreign(path, which)
    shapes = {name: tuple(value.shape) for name, value in found.arrays.items()}
    known = recognise(
        str(path), shapes, spec=spec, overrides=overrides, first=first, headless=anew is not None
    )
    arrays, notes = dict[str, Array](), [*found.notes, *known.notes]
    kinds = Counter[str]()
    for ours, theirs in known.names.items():
        value = found.arrays[theirs]
        if value.dtype.kind != "f":
            raise CmtError(
                "CMT-634", f"{path}: {theirs} holds {value.dtype.name}, weights are floating point"
            )
        kinds[value.dtype.name] += 1
        arrays[ours] = value.astype(np.float32, copy=False)
    if known.missing and anew is not None:
        start = initial(known.graph, anew)
        arrays |= {path: start[path] for path in known.missing}
    notes += [f"{n} tensors of {kind} became float32" for kind, n in kinds.items() if kind != "float32"]
    counters = {p: int(found.arrays[n]) for p, n in known.counters.items() if n in found.arrays}
    source = f"{found.container} in the names of {NAMINGS[known.naming]}"
    return Imported(
        known.model, known.graph, arrays, source, tuple(notes), counters, which=found.which, path=path
    )


def _native(path: Path, spec: str | None, overrides: Sequence[str], which: str) -> Imported:
    checkpoint, model, graph = restore(path)
    if spec is not None or overrides:
        text = checkpoint.spec_text
        model = (
            load(spec, overrides=overrides) if spec else load_text(text, "<checkpoint>", overrides=overrides)
        )
        graph = build(model)
        require_fit(path, graph, checkpoint)
    others = [name for name in checkpoint.sets if name != which]
    notes = [f"took '{which}'; the file also holds {', '.join(others)}"] if others else []
    counters = checkpoint.metrics.get(COUNTERS, {})
    source = "checkpoint of this project"
    arrays = checkpoint.weights(which)
    return Imported(model, graph, arrays, source, tuple(notes), counters, checkpoint, which, path=path)


def restore(path: str | Path) -> tuple[Checkpoint, Model, Graph]:
    """(checkpoint, spec, graph) of a file of ours whose every weight fits its spec; CMT-6xx."""
    checkpoint = load_checkpoint(path)
    spec = load_text(checkpoint.spec_text, name="<checkpoint>")
    graph = build(spec)
    if graph.fingerprint != checkpoint.fingerprint:
        raise CmtError(
            "CMT-604",
            f"{path} holds a graph {checkpoint.fingerprint[:12]}, its spec now builds "
            f"{graph.fingerprint[:12]}",
            hint=f"it was written by cmt-dsl {checkpoint.versions.get('cmt-dsl')}"
            "; a block or profile has changed its meaning since",
        )
    require_fit(path, graph, checkpoint)
    return checkpoint, spec, graph
