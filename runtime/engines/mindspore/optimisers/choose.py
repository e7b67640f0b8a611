"""The optimiser that a recipe names."""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import Parameter, nn

from runtime.engines.mindspore.optimisers.adamw import AdamW
from runtime.engines.mindspore.optimisers.lamb import Lamb
from runtime.engines.mindspore.optimisers.sgd import Sgd
from runtime.recipe.optimizer import OptimizerGroup


def make_optimizer(
    group: OptimizerGroup, parameters: Sequence[Parameter], decayed: Sequence[bool], factors: Sequence[float]
) -> nn.Cell:
    """The optimiser that a recipe's `optimizer` group names, over `parameters`."""
    if group.name == "sgd":
        return Sgd(
            parameters,
            decayed,
            factors,
            momentum=group.momentum,
            nesterov=group.nesterov,
            weight_decay=group.weight_decay,
        )
    made = {"adamw": AdamW, "lamb": Lamb}[group.name]
    beta1, beta2 = group.betas
    return made(
        parameters,
        decayed,
        factors,
        beta1=beta1,
        beta2=beta2,
        eps=group.eps,
        weight_decay=group.weight_decay,
    )
