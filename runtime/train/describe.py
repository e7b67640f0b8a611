"""A plan in words and as data: what `cmt train --dry-run` shows."""

from __future__ import annotations

from math import prod
from typing import Any

from cmt_dsl import cost
from runtime.data.splitting import SPLIT
from runtime.device.memory import step_bytes, warning
from runtime.recipe.schema import Recipe
from runtime.train.plan import Plan
from runtime.train.selection import frozen, recomputed


def described(plan: Plan) -> dict[str, Any]:
    """Plain data for `--json`; sizes in images, memory in bytes, rates as they multiply the gradient's direction."""
    recipe, source, train = plan.recipe, plan.source, plan.recipe.train
    total = cost(plan.graph).total
    held = frozen(plan.graph, train.freeze)
    still = [info for info in plan.graph.params if info.trainable and info.path in held]
    done = plan.resume.step if plan.resume else 0
    return {
        "model": plan.model.name,
        "fingerprint": plan.graph.fingerprint,
        "parameters": {
            "trainable": total.trainable,
            "frozen": sum(prod(info.shape) for info in still),
            "statistics": total.statistics,
        },
        "macs": total.macs,
        "recipe": recipe.resolved(),
        "data": {
            "source": source.name,
            "classes": len(source.classes),
            "train_images": source.train_size,
            "val_images": source.val_size,
            "left_out_each_epoch": plan.left_out,
        },
        "image_size": [plan.model.input.height, plan.model.input.width],
        "workers": plan.workers,
        "batch": {
            "worker": train.batch,
            "step": plan.global_batch,
            "update": recipe.images_per_update(plan.workers),
        },
        "epochs": train.epochs,
        "steps_per_epoch": plan.steps_per_epoch,
        "updates_per_epoch": plan.steps_per_epoch // train.accumulate,
        "steps": plan.steps,
        "steps_done": done,
        "rates": {"first": plan.rates[0], "peak": plan.peak_rate, "last": plan.rates[-1]},
        "start": train.init,
        "frozen": list(train.freeze),
        "recomputed": recomputed(plan.graph, train.recompute),
        "memory_estimate": step_bytes(plan.graph, train.batch),
        "memory_warning": warning(plan.graph, train.batch),
        "out": str(plan.out),
    }


def in_lines(plan: Plan) -> list[tuple[str, str]]:
    """(what, how it is) of each thing that a person would ask before a run."""
    facts, recipe = described(plan), plan.recipe
    params, data, batch, rates = facts["parameters"], facts["data"], facts["batch"], facts["rates"]
    height, width = facts["image_size"]
    size = f"{height} × {width}"
    still = f", {params['frozen']:,} of them frozen" if params["frozen"] else ""
    lines = [
        ("model", f"{facts['model']}  {params['trainable']:,} parameters{still}, {facts['macs'] / 1e9:.3g} GMACs"),
        ("data", f"{data['source']}  {data['classes']} classes, {data['train_images']:,} images to train on, "
                 f"{data['val_images']:,} to validate"),
        ("images", f"{size} pixels, {_batches(plan, batch)}"),
        ("run", f"{facts['epochs']} epochs of {facts['steps_per_epoch']:,} steps, {facts['steps']:,} in all"
                f"{_updates(facts)}"),
        ("rate", f"{rates['first']:.3g} at first, {rates['peak']:.3g} at its peak, {rates['last']:.3g} at last "
                 f"({_schedule(recipe)})"),
        ("optimiser", _optimiser(plan)),
        ("loss", _loss(plan)),
        ("device", _device(recipe)),
    ]  # fmt: skip
    if facts["frozen"]:
        lines.append(("frozen", ", ".join(facts["frozen"])))
    if facts["recomputed"]:
        lines.append(("recomputed", f"{len(facts['recomputed'])} blocks"))
    memory = f"about {facts['memory_estimate'] / 2**30:.1f} GiB a worker on the CPU, estimated"
    lines += [("memory", memory), ("start", _start(plan)), ("out", _out(plan))]
    return lines


def _batches(plan: Plan, batch: dict[str, int]) -> str:
    workers = f" × {plan.workers} workers" if plan.workers > 1 else ""
    group = plan.recipe.train.accumulate
    gathered = f" × {group} steps" if group > 1 else ""
    whole = f" = {batch['update']:,} an update" if workers or gathered else " an update"
    return f"{batch['worker']}{workers}{gathered}{whole}"


def _updates(facts: dict[str, Any]) -> str:
    updates = facts["updates_per_epoch"]
    return "" if updates == facts["steps_per_epoch"] else f", {updates:,} updates an epoch"


def _schedule(recipe: Recipe) -> str:
    schedule = recipe.schedule
    span = schedule.decay_epochs
    end = f"cosine over {span:g} epochs" if span is not None else "cosine to the end"
    return f"warm-up {schedule.warmup_epochs:g} epochs, {end}, by {schedule.by}"


def _optimiser(plan: Plan) -> str:
    group, train = plan.recipe.optimizer, plan.recipe.train
    where = "all weights" if plan.decay_all else "all but norms and biases"
    parts = [f"{group.name}, weight decay {group.weight_decay:g} on {where}"]
    parts += [f"layer decay {group.layer_decay:g}"] if group.layer_decay != 1 else []
    parts += [f"gradients clipped to {train.clip_norm:g}"] if train.clip_norm is not None else []
    parts += [f"moving average {train.ema.decay:g}"] if train.ema is not None else []
    return ", ".join(parts)


def _loss(plan: Plan) -> str:
    parts = [f"cross-entropy, label smoothing {plan.recipe.loss.label_smoothing:g}"]
    parts += ["classes weighted"] if plan.weights is not None else []
    return ", ".join(parts)


def _device(recipe: Recipe) -> str:
    device = recipe.device
    precision = "float32" if device.amp == "O0" else f"{device.amp_dtype} ({device.amp})"
    return f"{device.target}, {device.mode} mode, {precision}"


def _start(plan: Plan) -> str:
    if plan.resume is not None:
        return f"goes on after step {plan.resume.step:,}, epoch {plan.resume.checkpoint.epoch}"
    if plan.recipe.train.init is not None:
        return f"{plan.recipe.train.init_weights} weights of {plan.recipe.train.init}"
    return f"initial weights of seed {plan.recipe.train.seed}"


def _out(plan: Plan) -> str:
    split = f", with {SPLIT}" if plan.source.split is not None and plan.resume is None else ""
    return f"{plan.out}{split}"
