"""Reading recipes: edits, and what the schema alone cannot tell is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cmt_dsl.errors import CmtError, Place, Problem, SpecError
from cmt_dsl.spec import check, load_document
from cmt_dsl.spec.edit import from_value, merge, parse_override
from cmt_dsl.spec.tree import Map, Tree, place_of
from runtime.recipe import precision
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.mindcv import imported, is_mindcv
from runtime.recipe.schema import Recipe

ALTERNATIVES = ("optimizer", "device.loss_scale")
"""Groups of several kinds: a whole mapping given for one replaces what the file says."""


def load_recipe(
    name_or_path: str, sets: dict[str, Any] | None = None, overrides: tuple[str, ...] = ()
) -> Recipe:
    """A recipe by shipped name or path, ours or MindCV's, with `sets` (path to value) and `overrides` ("path=value") on top.

    Raises SpecError with all that is wrong, each with its place; CMT-802 if the file is no recipe.
    """
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
    return _checked(tree, sets or {}, overrides)


def recipe_from(data: dict[str, Any]) -> Recipe:
    """A recipe from plain data, such as a checkpoint's; raises SpecError."""
    return _checked(from_value(data, Place("<recipe>", 0, 0)), {}, ())  # type: ignore[arg-type]


def _checked(tree: Map, sets: dict[str, Any], overrides: tuple[str, ...]) -> Recipe:
    edits = [(path, from_value(value, Place(f"set {path}", 0, 0))) for path, value in sets.items()]
    edits += [parse_override(text) for text in overrides]
    for path, value in edits:
        tree = _put(tree, path, value)
    recipe = check(tree, Recipe)
    found = list(_contradictions(recipe, tree))
    if found:
        raise SpecError(found)
    return recipe


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


def _contradictions(recipe: Recipe, tree: Tree) -> Iterator[Problem]:
    def problem(path: str, message: str, hint: str) -> Problem:
        return Problem("CMT-801", message, place_of(tree, tuple(path.split("."))), path, hint)

    schedule, train, device = recipe.schedule, recipe.train, recipe.device
    if schedule.may_end_early:
        pass  # `early_end` says so
    elif schedule.warmup_epochs > 0 and schedule.warmup_epochs >= train.epochs:
        yield problem(
            "schedule.warmup_epochs",
            f"warm-up of {schedule.warmup_epochs:g} epochs does not fit a run of {train.epochs}",
            "shorten the warm-up: --set schedule.warmup_epochs=0, or train longer: --set train.epochs=N",
        )
    elif schedule.decay_epochs is not None:
        start = schedule.warmup_epochs if schedule.cosine_from == "warmup" else 0
        if start + schedule.decay_epochs > train.epochs:
            yield problem(
                "schedule.decay_epochs",
                f"the cosine ends at epoch {start + schedule.decay_epochs:g}, after the run's {train.epochs}",
                "lower it, or use null for 'to the end of the run'",
            )
    for path, bounds, most in _ranges(recipe.augment):
        if bounds[0] > bounds[1]:
            yield problem(
                path,
                f"from {bounds[0]:g} to {bounds[1]:g} is an empty range",
                "write the smaller number first",
            )
        if most is not None and bounds[1] > most:
            yield problem(path, "a part cannot be larger than its image", f"use at most {most:g}")
    mix = recipe.augment.mix
    if mix is not None:
        on = [name for name, alpha in (("mixup", mix.mixup), ("cutmix", mix.cutmix)) if alpha is not None]
        if not on:
            yield problem("augment.mix", "neither mixup nor cutmix is on", "write 'mix: null' for no mixing")
        elif len(on) == 2 and mix.switch_prob is None:
            yield problem(
                "augment.mix", "mixup and cutmix are on, but switch_prob is not given", "published: 0.5"
            )
        elif len(on) == 1 and mix.switch_prob is not None:
            yield problem(
                "augment.mix.switch_prob", f"only {on[0]} is on: there is nothing to switch", "use null"
            )
        if train.batch == 1:
            yield problem("augment.mix", "a batch of 1 has nothing to mix with", "--set augment.mix=null")
    if train.recompute and device.mode == "pynative":
        yield problem(
            "train.recompute",
            "recomputing is done by the graph compiler; mode pynative has none",
            "--set train.recompute=[], or --set device.mode=graph",
        )
    for name, off in (("init_weights", "raw"), ("init_depth", False)):
        if train.init is None and getattr(train, name) != off:
            yield problem(f"train.{name}", "there is no train.init to take weights from", "--init CHECKPOINT")
    if not precision.computes(device.amp, device.amp_dtype, device.target):
        place = place_of(tree, ("device", "amp_dtype"))
        yield Problem("CMT-804", precision.WHY, place, "device.amp_dtype", precision.HINT)
    if device.amp_dtype == "bfloat16" and device.amp == "O3":
        yield problem(
            "device.amp_dtype", "amp O3 in bfloat16: MindSpore's batch norm rejects it", "--set device.amp=O2"
        )
    if device.amp != "O0" and device.amp_dtype == "float16" and device.loss_scale is None:
        yield problem(
            "device.amp",
            f"amp {device.amp} without loss_scale: float16 gradients would vanish",
            "add device.loss_scale: {initial: 65536, window: 2000}",
        )


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


def _ranges(augment: AugmentGroup) -> Iterator[tuple[str, list[float], float | None]]:
    """(path, [from, to], most) of every range in the group."""
    if augment.crop is not None:
        yield "augment.crop.scale", augment.crop.scale, 1.0
        yield "augment.crop.ratio", augment.crop.ratio, None
    if augment.erase is not None:
        yield "augment.erase.area", augment.erase.area, 1.0
        yield "augment.erase.aspect", augment.erase.aspect, None


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
    if recipe.schedule.min_lr > peak:
        raise CmtError(
            "CMT-801",
            f"min_lr {recipe.schedule.min_lr:g} is above the peak {peak:.3g} "
            f"that a global batch of {batch} gives",
            path="schedule.min_lr",
            hint="lower schedule.min_lr, or give schedule.lr as a plain number",
        )
