"""What lies beside weights in files of others: bookkeeping that is set aside, averages, and wrappers' prefixes.

All of it by closed lists and by exact fit: no name is dropped because it does not fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeVar

Value = TypeVar("Value")

NAMES = frozenset(
    ["n_averaged",  # torch.optim.swa_utils.AveragedModel
     # state of MindSpore's optimisers and train-step Cells (nn.Adam, nn.Momentum, TrainOneStepWithLossScaleCell …)
     "learning_rate", "global_step", "beta1", "beta2", "beta1_power", "beta2_power", "momentum", "weight_decay",
     "loss_scale", "scale_sense", "current_iterator_step", "last_overflow_iterator_step", "growth_factor",
     # counters that training scripts append to a .ckpt
     "epoch_num", "step_num", "cur_epoch_num", "cur_step_num", "epoch", "step", "best_acc", "dynamic_loss_scale"]
)  # fmt: skip
"""Whole names of tensors that are no weight of any layer."""
LAST = frozenset(["total_ops", "total_params"])
"""Last parts of such names in any module: the counters of thop, a profiler for PyTorch."""
STATES = ("moment1.", "moment2.", "moments.", "adam_m.", "adam_v.", "accum.", "accumulation.", "velocity.",
          "mean_square.", "mean_gradient.", "exp_avg.", "exp_avg_sq.", "momentum_buffer.", "stat.")  # fmt: skip
"""Before the name of the weight that an optimiser keeps a state of; set aside where that weight is there too."""
AVERAGES = (
    "ema.",
    "ema_",
    "module_ema.",
    "model_ema.",
    "ema_model.",
    "ema_model.module.",
    "swa_model.",
    "averaged.",
)
"""Before the name of the weight whose moving average it is."""


def averaged(names: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """(the weights, their averages by the weights' names): averages are those whose bare names are there too."""
    found: dict[str, Value] = {}
    rest = dict(names)
    for prefix in sorted(AVERAGES, key=len, reverse=True):
        for name in [n for n in rest if n.startswith(prefix) and n[len(prefix) :] in names]:
            found[name[len(prefix) :]] = rest.pop(name)
    return rest, found


def without_bookkeeping(names: Mapping[str, Value]) -> tuple[dict[str, Value], str]:
    """(what may be weights, a line that counts what was set aside)."""
    counts: Counter[str] = Counter()
    kept: dict[str, Value] = {}
    for name, value in names.items():
        state = next((s for s in STATES if name.startswith(s) and name[len(s) :] in names), None)
        if name in NAMES or name.rpartition(".")[2] in LAST or state:
            counts[f"{state}*" if state else name.rpartition(".")[2]] += 1
        else:
            kept[name] = value
    listed = ", ".join(f"{count} {what}" if count > 1 else what for what, count in counts.items())
    return kept, f"set aside, no weights of any layer: {listed}" if listed else ""


def unwrapped(names: Mapping[str, Value]) -> Iterator[tuple[str, dict[str, Value]]]:
    """(prefix, values under the names without it): nothing taken off first, then each first part that all share."""
    prefix, left = "", dict(names)
    yield prefix, left
    while left:
        first = {name.partition(".")[0] for name in left}
        if len(first) != 1 or any("." not in name for name in left):
            return
        word = f"{first.pop()}."
        prefix, left = prefix + word, {name[len(word) :]: value for name, value in left.items()}
        yield prefix, left
