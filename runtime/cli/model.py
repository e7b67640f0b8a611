"""A model as verbs take it: a spec, and what was typed after `--set`."""

from __future__ import annotations

from cmt_dsl import Graph, Model, build, load
from cmt_dsl.errors import Problem, SpecError


def built(spec: str, sets: list[str] | None, *, restated: list[Problem] | None = None) -> tuple[Model, Graph]:
    """The model and its graph; SpecError, whose hints know a recipe's fields too."""
    try:
        model = load(spec, overrides=tuple(sets or ()), restated=restated)
    except SpecError as error:
        from runtime.recipe.paths import in_recipe  # the schema of recipes, for who has made a mistake

        raise (in_recipe(error, for_model=True) if sets else error) from None
    return model, build(model)


def built_all(specs: list[str], sets: list[str] | None) -> list[tuple[Model, Graph]]:
    """The same for several models; an edit has to change one of them at least."""
    told: list[list[Problem]] = [[] for _ in specs]
    found = [built(spec, sets, restated=same) for spec, same in zip(specs, told, strict=True)]
    idle = [p for p in told[0] if all(p.place in {other.place for other in same} for same in told)]
    if idle:
        raise SpecError(idle)
    return found
