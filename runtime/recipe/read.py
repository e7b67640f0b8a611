"""Reading recipes: edits, and what the schema alone cannot tell is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cmt_dsl.errors import CmtError, Place, Problem, SpecError
from cmt_dsl.spec import check, load_document
from cmt_dsl.spec.edit import either, from_value, merge, parse_override
from cmt_dsl.spec.overridden import leaves
from cmt_dsl.spec.tree import Map, Tree, place_of, plain
from runtime.recipe.contradictions import above_peak, contradictions
from runtime.recipe.mindcv.read import imported
from runtime.recipe.mindcv.reading import is_mindcv
from runtime.recipe.paths import fields_called
from runtime.recipe.schema import Recipe
from runtime.recipe.switches import in_vain, switched_off

ALTERNATIVES = ("optimizer", "device.loss_scale")
"""Groups of several kinds: a whole mapping given for one replaces what the file says."""


def load_recipe(
    name_or_path: str,
    sets: dict[str, Any] | None = None,
    overrides: tuple[str, ...] = (),
    *,
    restated: list[Problem] | None = None,
) -> Recipe:
    """A recipe by shipped name or path, ours or MindCV's, with `sets` (path to value) and `overrides` ("path=value") on top.

    Each override, which a person typed, has to change the recipe; where `restated` is a list, those that say what
    stands already go there. Raises SpecError with all that is wrong, each with its place; CMT-802 if it is no recipe.
    """
    tree = recipe_tree(name_or_path)
    for path, value in (sets or {}).items():
        tree = _put(tree, path, from_value(value, Place(f"set {path}", 0, 0)))
    edits = [parse_override(text) for text in overrides]
    recipe = _checked(tree, edits)
    wrong = list(_idle(tree, edits, recipe, restated))
    if wrong:
        raise SpecError(wrong)
    return recipe


def recipe_tree(name_or_path: str) -> Map:
    """The text of a recipe, a training file of MindCV as one of ours; CMT-802."""
    tree = load_document(name_or_path, "recipes")
    if "recipe" not in tree.items and is_mindcv(tree):
        tree = imported(tree).tree()
    if "recipe" not in tree.items:
        raise CmtError(
            "CMT-802",
            f"'{name_or_path}' is not a recipe: it has no key 'recipe'",
            place=tree.place,
            hint="a recipe file starts with 'recipe: NAME'; models go first: cmt train MODEL --recipe RECIPE",
        )
    return tree


def recipe_warnings(name_or_path: str) -> tuple[Problem, ...]:
    """What a sound recipe file of ours says in vain (CMT-820); MindCV's files have rules of their own."""
    tree = load_document(name_or_path, "recipes")
    return tuple(switched_off(tree, _checked(tree, []))) if "recipe" in tree.items else ()


def recipe_from(data: dict[str, Any]) -> Recipe:
    """A recipe from plain data, such as a checkpoint's; raises SpecError."""
    return _checked(from_value(data, Place("<recipe>", 0, 0)), [])  # type: ignore[arg-type]


def _checked(tree: Map, edits: Sequence[tuple[str, Tree]]) -> Recipe:
    whole = _edited(tree, edits)
    try:
        recipe = check(whole, Recipe)
    except SpecError as error:
        places = {place_of(value, ()) for _, value in edits}
        raise SpecError(_pointed(problem, places) for problem in error.problems) from None
    found = list(contradictions(recipe, whole))
    if found:
        raise SpecError(found)
    return recipe


def _edited(tree: Map, edits: Sequence[tuple[str, Tree]]) -> Map:
    for path, value in edits:
        tree = _put(tree, path, value)
    return tree


def _pointed(problem: Problem, places: set[Place]) -> Problem:
    """An unknown key of an edit with the fields that are called so."""
    found = fields_called(problem.path)
    if problem.code != "CMT-110" or problem.place not in places or not found:
        return problem
    return replace(problem, hint=either(found))


def _idle(
    tree: Map, edits: list[tuple[str, Tree]], recipe: Recipe, restated: list[Problem] | None
) -> Iterator[Problem]:
    """Edits that do nothing: CMT-150 if a later one takes their place, else CMT-151."""
    standing = {id(leaf) for _, leaf in leaves(_edited(tree, edits))}
    for i, (path, value) in enumerate(edits):
        place = place_of(value, ())
        if any(id(leaf) not in standing for _, leaf in leaves(value)):
            yield Problem("CMT-150", "a later edit takes its place", place, path, "leave one of them out")
            continue
        if why := in_vain(path, value, recipe):
            yield Problem("CMT-151", f"nothing reads it: {why}", place, path)
            continue
        try:
            other = _checked(tree, edits[:i] + edits[i + 1 :])
        except SpecError:
            continue  # without it the recipe is none
        if other.resolved() != recipe.resolved():
            continue
        shown = json.dumps(plain(value), ensure_ascii=False)
        same = Problem("CMT-151", f"it is {shown} already", place, path, "leave it out")
        if restated is None:
            yield same
        else:
            restated.append(same)


def _put(tree: Map, path: str, value: Tree) -> Map:
    """`value` at `path`; unlike in a model, null is a value, and a group that the file left out is made."""
    *groups, last = path.split(".")
    if path.startswith("model.set."):  # its keys are dotted paths themselves
        groups, last = ["model", "set"], path.removeprefix("model.set.")
    if path in ALTERNATIVES and isinstance(value, Map):  # fields of the other kind must not stay
        tree = _put(tree, path, from_value(None, value.place))
    at = value
    for key in reversed([*groups, last]):
        at = Map({key: at}, {key: value.place}, value.place)
    merged = merge(tree, at)
    assert isinstance(merged, Map)
    return merged


def is_recipe_path(path: str) -> bool:
    """Whether a `--set` path speaks of the recipe rather than of the model."""
    return path.split("=")[0].split(".")[0].strip() in set(Recipe.model_fields) - {"recipe", "doc"}


def named_model(recipe: Recipe) -> str:
    """The model that the recipe was published for; CMT-811 if it names none."""
    if recipe.model.name is None:
        raise CmtError(
            "CMT-811",
            f"the recipe {recipe.recipe} names no model, nor does the command",
            path="model.name",
            hint="cmt train cmt_s --recipe …",
        )
    return recipe.model.name


def remarks(recipe: Recipe, lineage: tuple[str, ...]) -> Iterator[str]:
    """What is said before training: what the recipe sets, lacks and notes. `lineage`: the model and its ancestors."""
    published = recipe.model.name
    if published is not None and lineage and published not in lineage:
        yield f"the recipe was published for {published}; {lineage[0]} is trained"
    if sets := recipe.model_sets():
        yield "the recipe sets " + ", ".join(f"{path} {value}" for path, value in sets.items())
    yield from (f"not in this version: {item}" for item in recipe.pending)
    yield from (f"note: {item}" for item in recipe.notes)
    if ends := early_end(recipe):
        yield f"note: {ends}"


def early_end(recipe: Recipe) -> str | None:
    """A line for people where the run ends within its schedule, which `schedule.may_end_early` allows."""
    schedule, epochs = recipe.schedule, recipe.train.epochs
    offset = schedule.warmup_epochs if schedule.cosine_from == "warmup" else 0.0
    whole = max(schedule.warmup_epochs, offset + (schedule.decay_epochs or 0.0))
    if epochs >= whole or not schedule.may_end_early:
        return None
    where = "the warm-up" if epochs <= schedule.warmup_epochs else "the cosine"
    still = schedule.by == "epoch" and epochs == 1 and schedule.warmup_epochs > 0 and schedule.warmup_lr == 0
    return (
        f"the schedule has {whole:g} epochs, the run {epochs}: it ends within {where}, its rates as in a whole run"
        + ("; the learning rate of the first epoch is 0: no weight will move" if still else "")
    )


def decays_all(recipe: Recipe, profile: Mapping[str, Any]) -> bool:
    """Whether weight decay reaches norms and biases: the recipe's word, or else the profile's; CMT-801."""
    own = recipe.optimizer.decay_norm_and_bias
    found = profile.get("decay_norm_and_bias") if own is None else own
    if not isinstance(found, bool):
        raise CmtError(
            "CMT-801",
            "neither the recipe nor the model's profile says whether norms and biases decay",
            path="optimizer.decay_norm_and_bias",
            hint="--set optimizer.decay_norm_and_bias=false",
        )
    return found


def check_against_data(recipe: Recipe, train_size: int, devices: int = 1) -> None:
    """Contradictions that only the data set reveals; CMT-505 or CMT-801."""
    if devices > 1 and recipe.train.sink > 1:
        raise CmtError(
            "CMT-801",
            f"train.sink {recipe.train.sink} on {devices} workers: they agree on stopping after every step",
            path="train.sink",
            hint="--set train.sink=1",
        )
    batch = recipe.images_per_update(devices)
    if batch > train_size:
        groups = recipe.train.accumulate * devices
        raise CmtError(
            "CMT-505",
            f"a batch of {batch} is larger than the training set of {train_size} images"
            + (f": train.batch {recipe.train.batch} × {groups} per update" if groups > 1 else ""),
            hint=f"--set train.batch={max(1, train_size // (2 * groups))}"
            if groups <= train_size
            else "--set train.accumulate=1",
            path="train.batch",
        )
    peak = recipe.peak_lr(batch)
    for path, message, hint in above_peak(recipe, peak, f"that a global batch of {batch} gives"):
        raise CmtError("CMT-801", message, path=path, hint=hint)
