"""What a recipe may say about augmentation: the `augment` group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.recipe.fields import Group, NotNegative, Positive, Probability, Range


class Crop(Group):
    scale: Range = Field(description="area of the random crop / area of the image, from and to")
    ratio: Range = Field(description="width / height of the random crop, from and to")


class RandAugment(Group):
    """timm's `rand-m9-mstd0.5-inc1` is {ops: 2, prob: 0.5, magnitude: 9, std: 0.5, increasing: true}."""

    space: Literal["timm", "mindcv"] = Field(
        default="timm",
        description="whose operators and strengths: timm's 15, or MindCV's 14 as its code has them",
    )
    ops: int = Field(
        ge=1, le=15, description="operators drawn for each image, with replacement, from the space"
    )
    prob: Probability = Field(description="probability that a drawn operator is carried out")
    magnitude: Annotated[float, Field(ge=0, le=10)] = Field(description="mean strength, 0 to 10")
    std: NotNegative = Field(description="normal deviation of the strength, which is then clipped to 0..10")
    increasing: bool = Field(
        description="posterize, solarize and the four enhancements grow stronger with the strength"
    )


class Jitter(Group):
    """Colour jitter, in a random order; timm leaves it out where RandAugment is on, here both happen if both are given."""

    brightness: NotNegative = Field(description="factor uniform in max(0, 1 - b)..1 + b")
    contrast: NotNegative = Field(description="factor uniform in max(0, 1 - c)..1 + c")
    saturation: NotNegative = Field(description="factor uniform in max(0, 1 - s)..1 + s")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0, description="turn of the colour circle, uniform in -h..h; 0.5 is half of it"
    )


class Erase(Group):
    """Random erasing after normalisation: one rectangle of an image becomes standard normal noise."""

    prob: Probability = Field(description="probability that an image loses a rectangle")
    area: Range = Field(description="area of the rectangle / area of the image, uniform from and to")
    aspect: Range = Field(description="height / width of the rectangle, log-uniform from and to")


class Mix(Group):
    """Mixup and cutmix: a whole batch is blended with, or gets a rectangle of, itself in reverse order."""

    mixup: Positive | None = Field(
        description="alpha of mixup's share, drawn from Beta(alpha, alpha); null: off"
    )
    cutmix: Positive | None = Field(
        description="alpha of cutmix's share, drawn from Beta(alpha, alpha); null: off"
    )
    mixup_prob: Probability = Field(description="probability that a batch is mixed, either way")
    switch_prob: Probability | None = Field(
        default=None, description="probability of cutmix in a mixed batch; given if and only if both are on"
    )


class AugmentGroup(Group):
    crop: Crop | None = Field(description="random resized crop; null: the whole image")
    flip: Annotated[float, Field(ge=0, le=1)] = Field(description="probability of a left-right flip")
    shift: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0, description="largest shift / side, each axis, uniform"
    )
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(
        default=0.0, description="largest rotation in degrees, uniform"
    )
    repeats: int = Field(
        default=1,
        ge=1,
        le=100,
        description="draws of each image in a row; an epoch then sees 1 / repeats of the images",
    )
    randaugment: RandAugment | None = Field(
        default=None, description="random operators per image; null: none"
    )
    jitter: Jitter | None = Field(
        default=None, description="colour jitter per image, after RandAugment; null: none"
    )
    erase: Erase | None = Field(default=None, description="random erasing per image; null: none")
    mix: Mix | None = Field(default=None, description="mixup and cutmix per batch; null: none")
