"""Fields of a recipe that another field switches off, and what a file or an edit says in vain there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cmt_dsl.errors import Place, Problem
from cmt_dsl.spec.overridden import leaves
from cmt_dsl.spec.tree import Leaf, Map, Tree, child, place_of
from runtime.recipe.schema import Recipe

Steps = tuple[str, ...]


@dataclass(frozen=True)
class Switch:
    """`field`, with all below it, is read by nothing while `off` holds, because of `why`."""

    field: str
    off: Callable[[Recipe], bool]
    why: str
    hint: str = "leave it out"
    needed: bool = False
    """A file has to have the field all the same, so only edits of it are in vain."""
    carried_out: bool = False
    """It does happen and helps nobody: said of files, while an edit may ask for it."""

    @property
    def steps(self) -> Steps:
        """The keys that lead to the field."""
        return tuple(self.field.split("."))


def _both(recipe: Recipe, switch: float) -> bool:
    mix = recipe.augment.mix
    return mix is not None and None not in (mix.mixup, mix.cutmix) and mix.switch_prob == switch


def _within_warmup(recipe: Recipe) -> bool:
    return recipe.train.epochs <= recipe.schedule.warmup_epochs


def _no_colour(recipe: Recipe) -> bool:
    jitter = recipe.augment.jitter
    return jitter is not None and not any(jitter.model_dump().values())


def _same_decay(recipe: Recipe) -> bool:
    """LAMB's trust ratio is of what decays, whatever the rate of decay."""
    return recipe.optimizer.weight_decay == 0 and recipe.optimizer.name != "lamb"


def _never(group: str, field: str) -> Callable[[Recipe], bool]:
    def off(recipe: Recipe) -> bool:
        found = getattr(recipe.augment, group)
        return found is not None and getattr(found, field) == 0

    return off


SWITCHES = (
    Switch(
        "loss.class_weights",
        lambda r: r.data.balance and r.loss.class_weights == "auto",
        "data.balance draws each class equally often",
    ),
    Switch("data.split_seed", lambda r: r.data.split is None, "data.split is null"),
    Switch("model.set.drop_path", lambda r: r.model.drop_path is not None, "model.drop_path says it"),
    Switch("augment.randaugment", _never("randaugment", "prob"), "its prob is 0", "use null"),
    Switch("augment.jitter", _no_colour, "all its factors are 0", "use null"),
    Switch("augment.erase", _never("erase", "prob"), "its prob is 0", "use null"),
    Switch("augment.mix", _never("mix", "mixup_prob"), "its mixup_prob is 0", "use null"),
    Switch("augment.mix.mixup", lambda r: _both(r, 1), "switch_prob 1 is always cutmix", "use null for both"),
    Switch("augment.mix.cutmix", lambda r: _both(r, 0), "switch_prob 0 is always mixup", "use null for both"),
    Switch("optimizer.decay_norm_and_bias", _same_decay, "optimizer.weight_decay is 0"),
    Switch(
        "optimizer.nesterov",
        lambda r: r.optimizer.name == "sgd" and r.optimizer.momentum == 0,
        "optimizer.momentum is 0",
    ),
    Switch(
        "schedule.warmup_lr", lambda r: r.schedule.warmup_epochs == 0, "schedule.warmup_epochs is 0"
    ),
    Switch(
        "schedule.cosine_from",
        lambda r: r.schedule.warmup_epochs == 0,
        "schedule.warmup_epochs is 0: both are the same",
        needed=True,
    ),
    *(
        Switch(f"schedule.{name}", _within_warmup, "the run ends within its warm-up", needed=True)
        for name in ("min_lr", "decay_epochs", "cosine_from")
    ),
    Switch(
        "train.ema.warmup", lambda r: r.train.ema is not None and r.train.ema.decay == 0, "train.ema.decay is 0"
    ),
    Switch("device.jit_level", lambda r: r.device.mode == "pynative", "device.mode is pynative"),
    Switch("device.amp_dtype", lambda r: r.device.amp == "O0", "device.amp O0 computes in float32"),
    Switch(
        "device.loss_scale",
        lambda r: r.device.amp == "O0" or r.device.amp_dtype == "bfloat16",
        "only float16 needs one",
        carried_out=True,
    ),
)  # fmt: skip


def switched_off(tree: Tree, recipe: Recipe) -> Iterator[Problem]:
    """A warning (CMT-820) for each field that the recipe file `tree` gives and that another one switches off."""
    for switch in SWITCHES:
        value = _at(tree, switch.steps)
        if value is None or switch.needed or not switch.off(recipe) or _is_null(value):
            continue
        message = switch.why if switch.carried_out else f"nothing reads it: {switch.why}"
        place = _key(tree, switch.steps)
        yield Problem("CMT-820", message, place, switch.field, switch.hint, (), "warning")


def in_vain(path: str, value: Tree, recipe: Recipe) -> str | None:
    """Why nothing reads any part of an edit in the edited recipe; None if something does."""
    reasons = [_reason((*_steps(path), *map(str, below)), leaf, recipe) for below, leaf in leaves(value)]
    return reasons[0] if reasons and all(reasons) else None


def _reason(steps: Steps, leaf: Leaf, recipe: Recipe) -> str | None:
    for switch in SWITCHES:
        own = len(steps) > len(switch.steps) or leaf.value is not None
        if (
            steps[: len(switch.steps)] == switch.steps
            and own
            and not switch.carried_out
            and switch.off(recipe)
        ):
            # what switches a group off stands in it: prob, mixup_prob, a factor of the jitter
            return None if len(steps) > len(switch.steps) and _decides(switch, steps) else switch.why
    return None


def _decides(switch: Switch, steps: Steps) -> bool:
    return steps[-1] in switch.why or switch.field == "augment.jitter"


def _steps(path: str) -> Steps:
    if path.startswith("model.set."):  # its keys are dotted paths themselves
        return ("model", "set", path.removeprefix("model.set."))
    return tuple(path.split("."))


def _at(tree: Tree, steps: Steps) -> Tree | None:
    at: Tree | None = tree
    for step in steps:
        at = child(at, step) if at is not None else None
    return at


def _key(tree: Tree, steps: Steps) -> Place:
    above = _at(tree, steps[:-1])
    return above.keys[steps[-1]] if isinstance(above, Map) else place_of(tree, steps)


def _is_null(tree: Tree) -> bool:
    return isinstance(tree, Leaf) and tree.value is None
