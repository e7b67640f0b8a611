"""A located tree against a Pydantic model: every problem at once, each with its place."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from cmt_dsl.errors import Problem, SpecError, did_you_mean
from cmt_dsl.spec.schema import NAME
from cmt_dsl.spec.tree import Tree, child, place_of, plain

M = TypeVar("M", bound=BaseModel)

_MISSING = {"missing", "missing_argument", "missing_keyword_only_argument"}
_SUBJECT = re.compile("^(Input|String|List|Dictionary|Tuple) should")
_PATTERN = f"should match pattern '{NAME}'"
_TAGS = {"union_tag_invalid", "union_tag_not_found"}
_UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}


def check(tree: Tree, model: type[M], *, at: str = "") -> M:
    """Validate `tree`; raises `SpecError` with one `Problem` for each thing that is wrong.

    `at` is the path of the tree in its document, put before each problem's path.
    """
    try:
        return model.model_validate(plain(tree))
    except ValidationError as error:
        raise SpecError(problems(error, tree, known=model, at=at)) from None


def problems(
    error: ValidationError, tree: Tree, *, known: type[BaseModel] | None = None, at: str = ""
) -> list[Problem]:
    """Pydantic's findings as placed problems."""
    found: dict[tuple[str | int, ...], Problem] = {}
    for item in error.errors(include_url=False):
        loc, problem = _problem(dict(item), tree, known, at)
        old = found.get(loc)
        if old is None:
            found[loc] = problem
        elif problem.message not in old.message and old.code == problem.code == "CMT-111":
            ending = ", not " + _shown(item.get("input"))
            joined = f"{old.message.removesuffix(ending)}, or {problem.message.removeprefix('should be ')}"
            found[loc] = Problem(old.code, joined, old.place, old.path, old.hint)
    deepest = [loc for loc in found if not _has_below(loc, found)]
    return [found[loc] for loc in deepest]


def _has_below(loc: tuple[str | int, ...], found: dict[tuple[str | int, ...], Problem]) -> bool:
    """A union's branches complain at several depths: keep the one nearest to the leaf."""
    return any(len(o) > len(loc) and o[: len(loc)] == loc for o in found) and bool(loc)


def _problem(
    item: dict[str, Any], tree: Tree, known: type[BaseModel] | None, at: str
) -> tuple[tuple[str | int, ...], Problem]:
    kind, loc = str(item["type"]), _within(tree, item["loc"], str(item["type"]))
    path = ".".join([at, *map(str, loc)] if at else list(map(str, loc)))
    last = str(loc[-1]) if loc else ""
    if kind in _UNKNOWN:
        place = place_of(tree, loc, key=True)
        names = _fields(known, loc[:-1])
        if last in names:  # another branch of a union has it; pydantic names the branch before the key
            kind_, near = f" of {item['loc'][-2]}", ""
        else:
            kind_, near = "", did_you_mean(last, names)
        return loc, Problem("CMT-110", f"unknown key '{last}'{kind_}", place, path, near)
    if kind in _TAGS:
        key = str(item["ctx"]["discriminator"]).strip("'")
        if kind == "union_tag_not_found":
            return (*loc, key), Problem(
                "CMT-112", f"'{key}' is missing", place_of(tree, loc), f"{path}.{key}"
            )
        wrong = f"should be {item['ctx']['expected_tags']}, not '{item['ctx']['tag']}'"
        return (*loc, key), Problem("CMT-111", wrong, place_of(tree, (*loc, key)), f"{path}.{key}")
    place = place_of(tree, loc)
    if kind in _MISSING:
        return loc, Problem("CMT-112", f"'{last}' is missing", place, path)
    return loc, Problem("CMT-111", worded(item), place, path)


def worded(item: Mapping[str, Any]) -> str:
    """What Pydantic found wrong with a value, in the language's words."""
    message = str(item["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    message = _SUBJECT.sub("should", message)
    message = message.replace("less than or equal to", "at most").replace(
        "greater than or equal to", "at least"
    )
    message = message.replace(_PATTERN, "should be a word of letters, digits and _, with a letter first")
    message = re.sub("a valid dictionary( or instance of [A-Za-z]+)?", "a mapping", message)
    message = (
        re.sub("a valid (list|tuple)", "a list", message).replace("a valid ", "a ").replace("a int", "an int")
    )
    value = item.get("input")
    told = item["type"] == "value_error" or ", not " in message
    return (
        message
        if told or not isinstance(value, (str, int, float, bool))
        else f"{message}, not {_shown(value)}"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…'"


def _within(tree: Tree, loc: Sequence[str | int], kind: str) -> tuple[str | int, ...]:
    """Pydantic's location without the union tags it puts between real keys."""
    path: list[str | int] = []
    at = tree
    for i, part in enumerate(loc):
        below = child(at, part)
        if below is None:
            last = i == len(loc) - 1
            if last and kind in _MISSING | _UNKNOWN:
                path.append(part)
            continue
        path.append(part)
        at = below
    return tuple(path)


def _fields(model: type[BaseModel] | None, path: Sequence[str | int]) -> list[str]:
    """Keys a mapping at `path` may have, found by walking the model's annotations."""
    models = [model] if model else []
    for part in path:
        models = [sub for m in models for sub in _step(m, part)]
    names = [f.alias or n for m in models for n, f in m.model_fields.items()]
    return list(dict.fromkeys(names))


def _step(model: type[BaseModel], part: str | int) -> list[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if part in (name, field.alias):
            return _models_in(field.annotation)
    return [model]


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    args: Sequence[object] = get_args(annotation)
    return [m for arg in args for m in _models_in(arg)]
