"""The dotted paths of a recipe's fields, for hints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from cmt_dsl.errors import Problem, SpecError
from cmt_dsl.spec.edit import either
from runtime.recipe.schema import Recipe


@cache
def recipe_paths() -> tuple[str, ...]:
    """Every field of every kind of group, groups before what they hold: `train`, `train.epochs`."""
    return tuple(dict.fromkeys(_paths(Recipe, "")))


def _paths(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{above}{name}"
        for below in _groups(field.annotation):
            yield from _paths(below, f"{above}{name}.")


def _groups(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [group for part in get_args(annotation) for group in _groups(part)]


def fields_called(path: str) -> list[str]:
    """The fields that end as a path does: `train.epochs` for `epochs`."""
    return [found for found in recipe_paths() if found.endswith("." + path.rpartition(".")[2])]


def in_recipe(error: SpecError, *, for_model: bool = False) -> SpecError:
    """A model's error, its unknown `--set` paths answered with the recipe's fields of that name.

    `for_model`: the verb takes no recipe, so the hint says where one belongs.
    """
    return SpecError([_answered(problem, for_model) for problem in error.problems])


def _answered(problem: Problem, for_model: bool) -> Problem:
    typed = problem.place is not None and problem.place.line == 0
    found = fields_called(problem.path) if typed and problem.code in ("CMT-110", "CMT-135") else []
    if not found:
        return problem
    if for_model:
        hint = f"{found[0]} is a recipe's field: cmt train SPEC --recipe R --set {found[0]}=…"
        return replace(problem, hint=f"{problem.hint} {hint}" if _is_path(problem.hint) else hint)
    return replace(
        problem, hint=f"{problem.hint[:-1]} or {found[0]}?" if _is_path(problem.hint) else either(found)
    )


def _is_path(hint: str) -> bool:
    """Whether a hint names paths of the model, not the nearest word."""
    return hint.startswith("did you mean") and "'" not in hint
