"""Whether an edit does anything: the model with it against the model without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from cmt_dsl.errors import CmtError, Problem
from cmt_dsl.expand import expand
from cmt_dsl.spec import Model, Reading, unread
from cmt_dsl.spec.model import resolved_data
from cmt_dsl.spec.unread import BY_THE_RUNTIME

Steps = tuple[str, ...]
_BOUNDS = {"type", "gt", "ge", "lt", "le", "choices", "optional", "doc"}


def idle_overrides(reading: Reading) -> list[Problem]:
    """CMT-151 for each override of a sound model that no operator and nobody else reads, in whole or in part."""
    model = reading.model
    if model is None:
        return []
    places = {edit.place for edit in reading.overrides}
    found = [replace(p, code="CMT-151", severity="error") for p in unread(model) if p.place in places]
    told = {p.place for p in [*found, *reading.restated]}
    for index, edit in enumerate(reading.overrides):
        if edit.place in told:
            continue
        other = reading.without(index)
        if other is not None and not _differ(model, other):
            message = "it changes nothing" if not edit.removes else "removing it changes nothing"
            hint = "nothing reads it, or it says what stands already: cmt resolve shows the whole model"
            found.append(Problem("CMT-151", message, edit.place, edit.path, hint))
    return found


def _differ(model: Model, other: Model) -> bool:
    """Whether two models differ for anybody: in a node, for training, or in words and bounds for people."""
    try:
        graph, without = expand(model), expand(other)
    except CmtError:  # one of them is no model
        return True
    if (graph.nodes, graph.scopes) != (without.nodes, without.scopes):
        return True
    values = _values(resolved_data(model)), _values(resolved_data(other))
    paths = (
        path for path in values[0].keys() | values[1].keys() if values[0].get(path) != values[1].get(path)
    )
    return any(_is_for_others(path) for path in paths)


def _is_for_others(path: Steps) -> bool:
    match path:
        case ("model",) | ("profile", "profile") | (*_, "doc"):
            return True
        case ("profile", "values", name):
            return name in BY_THE_RUNTIME
        case ("blocks", _, "args", _, bound, *_):
            return bound in _BOUNDS
        case _:
            return False


def _values(data: Any, path: Steps = ()) -> dict[Steps, str]:
    return dict(_walk(data, path))


def _walk(data: Any, path: Steps) -> Iterator[tuple[Steps, str]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(data, dict):
        items = list(cast("dict[Any, Any]", data).items())
    elif isinstance(data, list):
        items = [*enumerate(cast("list[Any]", data))]
    if not items:
        yield path, repr(cast(object, data))
    for key, value in items:
        yield from _walk(value, (*path, str(key)))
