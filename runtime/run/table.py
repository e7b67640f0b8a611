"""Runs side by side, in the columns of MindCV's performance tables (its configs/cmt/README.md) and a few of ours."""

from __future__ import annotations

from typing import Any

UNKNOWN = "–"


def columns(found: dict[str, Any]) -> dict[str, str]:
    """A run's `record.summary` as text by column; what is not known is a dash."""

    def text(key: str, form: str = "{}") -> str:
        return UNKNOWN if found[key] is None else form.format(found[key])

    size, best, memory = found["image_size"], found["best_epoch"], found["peak_memory"]
    parameters, averaged = found["parameters"], ", ema" if found["best_weights"] == "ema" else ""
    return {
        "model name": text("model"),
        "params(M)": UNKNOWN if parameters is None else f"{parameters / 1e6:.2f}",
        "cards": f"{found['cards']} × {found['device']}" if found["device"] else text("cards"),
        "batch size": text("batch"),
        "resolution": UNKNOWN if size is None else f"{size[1]}x{size[0]}",
        "mode": text("mode"),
        "jit level": text("jit_level") if found["jit_level"] else "default",
        "amp level": text("amp"),
        "graph compile": text("compile_seconds", "{:.1f} s"),
        "ms/step": text("ms_per_step", "{:.2f}"),
        "img/s": text("images_per_second", "{:.2f}"),
        "acc@top1": text("best_top1", "{:.2%}"),
        "acc@top5": text("best_top5", "{:.2%}"),
        "recipe": text("recipe"),
        "weight": UNKNOWN if best is None else f"best.safetensors (epoch {best}{averaged})",
        "epochs": f"{found['epochs_done']} of {text('epochs')}",
        "peak memory": UNKNOWN if memory is None else f"{memory / 2**20:.0f} MiB",
        "state": text("state"),
    }
