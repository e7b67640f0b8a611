"""What a recipe may say of its optimiser: the fields are those of the one that `name` names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.recipe.fields import Fraction, Group, NotNegative, Positive


class OptimizerBase(Group):
    weight_decay: NotNegative = Field(description="adamw, lamb: decoupled, times the rate; sgd: L2")
    decay_norm_and_bias: bool | None = Field(
        default=None, description="also decay norms and biases; null: as the profile says"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="learning rate of a layer / that of the layer above it; 1: the same for all"
    )


class Adaptive(OptimizerBase):
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        description="moment decay rates"
    )
    eps: Positive = Field(description="added to the root of the second moment, after bias correction")


class AdamWGroup(Adaptive):
    name: Literal["adamw"]


class LambGroup(Adaptive):
    """You et al. 2019; what does not decay takes AdamW's step."""

    name: Literal["lamb"]


class SgdGroup(OptimizerBase):
    name: Literal["sgd"]
    momentum: Fraction = Field(description="share of the velocity that a step keeps; 0: plain descent")
    nesterov: bool = Field(default=False, description="look ahead along the velocity")


OptimizerGroup = Annotated[AdamWGroup | LambGroup | SgdGroup, Field(discriminator="name")]
