"""Keys of MindCV's training files that mean something only together."""

from __future__ import annotations

import re
from typing import Any

from runtime.recipe.mindcv.reading import Reading

PIECE = re.compile(r"([a-z]+)(\d+(?:\.\d+)?)\Z")  # of randaug-m9-mstd0.5


SINK = "dataset_sink_mode True: --set train.sink=8 loops over batches on the device; its gain on Ascend was never measured"


def model(r: Reading) -> None:
    """Which model, and at which size."""
    name, size = r.values["model"], r.values["image_resize"]
    if name in r.models:
        r.put("model.name", r.models[name], "model")
    elif r.given("model"):
        r.done.notes.append(f"model {name} is none of MindCV's CMT: the model on the command line is trained")
    sizes = size if isinstance(size, list) else [size]
    if not 1 <= len(sizes) <= 2 or not all(type(s) is int for s in sizes):
        r.refuse("image_resize", "a size is a number or [height, width]")
    else:
        r.put("model.set.input.size", size, "image_resize")


def run(r: Reading) -> None:
    """Everything about the run that is not one key to one field."""
    v, note = r.values, r.done.notes.append
    if v["mode"] == 0:
        r.put("device.jit_level", "O2", "mode")
    r.put("augment.repeats", max(v["aug_repeats"], 1), "aug_repeats")
    r.put("schedule.warmup_lr", v["warmup_factor"] * v["lr"], "warmup_factor", "lr")
    if v["clip_grad"]:
        r.put("train.clip_norm", v["clip_value"], "clip_value", "clip_grad")
    if v["val_while_train"]:
        r.put("train.val_every", v["val_interval"], "val_interval", "val_while_train")
    else:
        r.put("train.val_every", max(v["epoch_size"], 1), "val_while_train")
        note("val_while_train False: the last epoch is validated all the same")
    if v["distribute"]:
        note("distribute True: on as many workers as msrun starts; without msrun this process trains alone")
    elif r.given("distribute"):
        note("distribute False: under msrun, --no-distributed says so")
    if v["dataset_sink_mode"]:
        r.done.pending.append(SINK)
    if v["ckpt_save_policy"].lower() != "top_k" and v["keep_checkpoint_max"]:
        note("keep_checkpoint_max counts the best epochs, not the latest; the last one is kept besides")


def randaugment(r: Reading) -> None:
    """The policy, or the colour jitter that MindCV does in its stead."""
    text, jitter = r.values["auto_augment"], r.values["color_jitter"]
    if text is None:
        if jitter not in (None, 0, [0, 0, 0]):  # MindCV jitters colours only where it has no auto_augment
            colours(r, jitter)
        return
    policy, *pieces = text.split("-")
    parts = {m[1]: m[2] for piece in pieces if (m := PIECE.match(piece))}
    if policy != "randaug" or len(parts) != len(pieces):
        r.refuse("auto_augment", "of its policies only randaug is known", "e.g. randaug-m9-mstd0.5")
    elif unknown := set(parts) - {"m", "n", "mstd", "inc", "mmax"}:
        r.refuse("auto_augment", f"'{min(unknown)}' is not known", "m, n, mstd and inc are")
    elif (
        float(parts.get("mmax", 10)) != 10 or float(parts.get("mstd", 0.5)) != 0.5 or parts.get("inc") == "0"
    ):
        # its parser sets 0.5 before it reads mstd, and bool("0") is True
        r.refuse(
            "auto_augment", "MindCV itself reads every mstd as 0.5 and inc0 as inc1", "say what you mean"
        )
    else:
        for name, value in (
            ("space", "mindcv"),
            ("ops", int(parts.get("n", 2))),
            ("prob", 0.5),
            ("magnitude", float(parts.get("m", 10))),
            ("std", 0.5),
            ("increasing", "inc" in parts),
        ):
            r.put(f"augment.randaugment.{name}", value, "auto_augment")


def colours(r: Reading, jitter: Any) -> None:
    """One reach for brightness, contrast and saturation, or one for each, and hue."""
    reaches: list[Any] = jitter if isinstance(jitter, list) else [jitter] * 3
    if len(reaches) not in (3, 4) or not all(type(v) in (int, float) and v >= 0 for v in reaches):
        r.refuse("color_jitter", "it is a number, or three, or four with the hue")
        return
    for name, reach in zip(("brightness", "contrast", "saturation", "hue"), reaches, strict=False):
        r.put(f"augment.jitter.{name}", float(reach), "color_jitter")


def optimizer(r: Reading) -> None:
    """Which one, and what MindCV hands to it."""
    name = r.values["opt"].lower()
    if name == "adamw":
        r.put("optimizer.name", "adamw", "opt")
        # of mindcv/optim/adamw.py; the key eps does not reach it
        r.put("optimizer.betas", [0.9, 0.999], "opt")
        r.put("optimizer.eps", 1e-8, "opt")
        if given := [key for key in ("momentum", "use_nesterov") if r.given(key)]:
            r.done.notes.append(f"without effect: {', '.join(given)} (MindCV gives adamw none)")
    elif name in ("sgd", "momentum", "nesterov"):  # the same formula under three names
        r.put("optimizer.name", "sgd", "opt")
        r.put("optimizer.momentum", r.values["momentum"], "momentum")
        r.put("optimizer.nesterov", r.values["use_nesterov"], "use_nesterov")
    else:
        r.refuse("opt", "this version knows adamw, sgd, momentum and nesterov")


def erase(r: Reading) -> None:
    """Random erasing."""
    if r.values["re_prob"] == 0:
        return
    if r.values["re_value"] != "random":
        r.refuse("re_value", "erased pixels become normal noise", "write re_value: random")
    r.put("augment.erase.prob", r.values["re_prob"], "re_prob")
    r.put("augment.erase.area", r.values["re_scale"], "re_scale")
    r.put("augment.erase.aspect", r.values["re_ratio"], "re_ratio")
    r.done.notes.append(
        "re_ratio: the aspect is log-uniform, as in timm; MindSpore's RandomErasing has it uniform"
    )


def mix(r: Reading) -> None:
    """Mixup and cutmix; a rate of 0 is off."""
    mixup, cutmix = (r.values[name] if r.values[name] > 0 else None for name in ("mixup", "cutmix"))
    if mixup is None and cutmix is None:
        return
    r.put("augment.mix.mixup", mixup, "mixup")
    r.put("augment.mix.cutmix", cutmix, "cutmix")
    r.put("augment.mix.mixup_prob", r.values["cutmix_prob"], "cutmix_prob")
    if mixup is not None and cutmix is not None:
        r.put("augment.mix.switch_prob", 0.5, "mixup", "cutmix")


def loss_scale(r: Reading) -> None:
    """What float16 needs."""
    kind, scale = r.values["loss_scale_type"].lower(), r.values["loss_scale"]
    if kind == "dynamic" and not r.values["drop_overflow_update"]:
        r.refuse(
            "drop_overflow_update", "MindCV refuses it too: a dynamic scale always drops overflowing steps"
        )
    elif kind == "dynamic":
        r.put("device.loss_scale.initial", scale, "loss_scale", "loss_scale_type", "drop_overflow_update")
        r.put("device.loss_scale.window", 2000, "loss_scale_type")
    elif kind != "fixed":
        hint = "write loss_scale_type: dynamic and drop_overflow_update: True"
        r.refuse("loss_scale_type", "the scale is dynamic or fixed", hint)
    elif r.values["amp_level"].upper() != "O0":
        r.put("device.loss_scale.fixed", scale, "loss_scale", "loss_scale_type")
        if not r.values["drop_overflow_update"]:
            r.done.notes.append(
                "drop_overflow_update False: an update whose gradients overflow is left out; MindCV makes it"
            )
    elif scale != 1.0:
        r.done.notes.append(
            f"loss_scale {scale:g} in float32: gradients are multiplied and divided by it, no effect"
        )


GROUPS = (model, run, randaugment, optimizer, erase, mix, loss_scale)
