"""Values of a recipe that contradict each other, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator

from cmt_dsl.errors import Problem
from cmt_dsl.spec.tree import Tree, place_of
from runtime.recipe import precision
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import Recipe, ScaledRate

Found = tuple[str, str, str]
"""Path, message, hint."""


def contradictions(recipe: Recipe, tree: Tree) -> Iterator[Problem]:
    """CMT-801 and CMT-804 for values that cannot stand beside each other, placed in `tree`."""

    def problem(path: str, message: str, hint: str) -> Problem:
        return Problem("CMT-801", message, place_of(tree, tuple(path.split("."))), path, hint)

    train, device = recipe.train, recipe.device
    yield from (problem(*found) for found in _in_schedule(recipe))
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


def _in_schedule(recipe: Recipe) -> Iterator[Found]:
    schedule, epochs = recipe.schedule, recipe.train.epochs
    warmup, cosine = schedule.warmup_epochs, schedule.decay_epochs
    if warmup > 0 and schedule.warmup_lr is None:
        yield (
            "schedule.warmup_lr",
            f"a warm-up of {warmup:g} epochs needs the rate it starts from",
            "--set schedule.warmup_lr=1e-6",
        )
    if not isinstance(schedule.lr, ScaledRate):
        yield from above_peak(recipe, schedule.lr, "of schedule.lr")
    if cosine is not None and schedule.cosine_from == "start" and cosine <= warmup:
        yield (
            "schedule.decay_epochs",
            f"the cosine from the start ends at epoch {cosine:g}, within the warm-up of {warmup:g}",
            "lengthen it, shorten the warm-up, or --set schedule.cosine_from=warmup",
        )
    elif schedule.may_end_early:
        return  # `early_end` says so
    elif warmup > 0 and warmup >= epochs:
        yield (
            "schedule.warmup_epochs",
            f"warm-up of {warmup:g} epochs does not fit a run of {epochs}",
            "shorten the warm-up: --set schedule.warmup_epochs=0, or train longer: --set train.epochs=N",
        )
    elif cosine is not None:
        end = cosine + (warmup if schedule.cosine_from == "warmup" else 0)
        if end > epochs:
            yield (
                "schedule.decay_epochs",
                f"the cosine ends at epoch {end:g}, after the run's {epochs}",
                "lower it, or use null for 'to the end of the run'",
            )


def above_peak(recipe: Recipe, peak: float, whose: str) -> Iterator[Found]:
    """Rates of the schedule that are above its peak, which `whose` explains."""
    schedule = recipe.schedule
    for name, rate in (("min_lr", schedule.min_lr), ("warmup_lr", schedule.warmup_lr)):
        if rate is not None and rate > peak and (name == "min_lr" or schedule.warmup_epochs > 0):
            hint = f"lower schedule.{name}"
            if isinstance(schedule.lr, ScaledRate):
                hint += ", or give schedule.lr as a plain number"
            yield f"schedule.{name}", f"{name} {rate:g} is above the peak {peak:.3g} {whose}", hint


def _ranges(augment: AugmentGroup) -> Iterator[tuple[str, list[float], float | None]]:
    """(path, [from, to], most) of every range in the group."""
    if augment.crop is not None:
        yield "augment.crop.scale", augment.crop.scale, 1.0
        yield "augment.crop.ratio", augment.crop.ratio, None
    if augment.erase is not None:
        yield "augment.erase.area", augment.erase.area, 1.0
        yield "augment.erase.aspect", augment.erase.aspect, None
