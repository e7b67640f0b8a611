"""Why weights and a spec do not fit: what differs between two specs, or what shapes and names alone tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cmt_dsl.diff.values import changes_of
from cmt_dsl.errors import Place
from cmt_dsl.ir import Graph, depths
from cmt_dsl.spec import Model

SILENT = ("model", "doc", "drop_path", "blocks")
"""Keys of a model that change no weight; blocks show as operators that differ, by place."""


@dataclass(frozen=True)
class Cause:
    """One value that the checkpoint and the spec have differently, where the spec says it, and what to do."""

    path: str
    held: Any
    wanted: Any
    place: Place | None
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path} is {_told(self.held)} in the checkpoint, {_told(self.wanted)} in the spec"

    def json(self) -> dict[str, Any]:
        place = str(self.place) if self.place else None
        return {
            "path": self.path,
            "checkpoint": self.held,
            "spec": self.wanted,
            "place": place,
            "hint": self.hint,
        }


def of_specs(held: Model, wanted: Model) -> list[Cause]:
    """The values in which two models differ, in the order of the keys; places are of `wanted`."""
    found: list[Cause] = []
    for part, key, a, b in changes_of(_plain(held), _plain(wanted)):
        name = f"{part}.{key}" if part else key
        place = wanted.place(*(int(word) if word.isdigit() else word for word in name.split(".")))
        found.append(Cause(name, a, b, place, _hint(name, a, b)))
    return found


def of_weights(graph: Graph, model: Model, shapes: Mapping[str, tuple[int, ...]]) -> list[Cause]:
    """What names and shapes of weights say evidently: other depths, classes, input channels, input size."""
    found: list[Cause] = []
    held, wanted = depths(shapes), depths(info.path for info in graph.params)
    for stage in sorted({*held, *wanted}):
        a, b = held.get(stage, 0), wanted.get(stage, 0)
        if a != b:
            path = f"stages.{stage}.depth"
            found.append(Cause(path, a, b, model.place("stages", stage, "depth"), _hint(path, a, b)))
    wrong = [i for i in graph.params if i.path in shapes and shapes[i.path] != i.shape]
    first, last = (
        next((i.node for i in order if i.trainable), "") for order in (graph.params, graph.params[::-1])
    )
    for info in wrong:
        shape = shapes[info.path]
        if info.node == last and graph.output.type.sizes == (model.classes,) and shape[:1] != info.shape[:1]:
            found.append(_cause("classes", shape[0] if shape else 1, model.classes, model))
            break
    for info in wrong:
        shape = shapes[info.path]
        if info.node == first and len(shape) == 4 == len(info.shape) and shape[1] != info.shape[1]:
            found.append(_cause("input.channels", shape[1], info.shape[1], model))
            break
    tables = [info for info in wrong if graph.by_path[info.node].op.kind == "parameter"]
    if tables and len(tables) == len(wrong):
        held_shape, wanted_shape = list(shapes[tables[0].path]), list(tables[0].shape)
        found.append(
            Cause(
                tables[0].path,
                held_shape,
                wanted_shape,
                model.place("input", "size"),
                _hint("input.size", 0, 0),
            )
        )
    return found


def _cause(path: str, held: Any, wanted: Any, model: Model) -> Cause:
    return Cause(path, held, wanted, model.place(*path.split(".")), _hint(path, held, wanted))


def _hint(path: str, held: Any, wanted: Any) -> str:
    if path == "classes":
        return f"the head was trained for {held} classes: --set classes={held}, or adapt the checkpoint"
    if path.startswith("input.channels"):
        return f"the first convolution reads {held} channels: --set input.channels={held}, or adapt it"
    if path.startswith("input."):
        return "position tables depend on the input's size: give the size it was trained at, or adapt it"
    if re.fullmatch(r"stages\.\d+\.depth", path) and held is not None:
        return f"the checkpoint has {held} blocks there: --set {path}={held}"
    if path == "profile":
        return f"--set profile={held}"
    return ""


def _told(value: Any) -> str:
    """A value in a sentence; a whole part only by whether it is there."""
    if value is None:
        return "absent"
    return "present" if isinstance(value, dict) else str(value)


def _plain(model: Model) -> dict[str, Any]:
    data = model.spec.model_dump(by_alias=True, exclude_defaults=True)
    data["profile"] = model.profile.profile
    return {key: value for key, value in data.items() if key not in SILENT}
