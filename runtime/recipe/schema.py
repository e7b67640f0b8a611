"""What a recipe file may say: how a model is trained, as data. A field exists only if the runtime carries it out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Range = Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelGroup(Group):
    drop_path: Fraction | None = Field(
        None, description="stochastic depth of the last block; null: the model's own"
    )
    set: dict[str, Any] = Field(default_factory=dict, description="edits of the model spec, by dotted path")


class DataGroup(Group):
    workers: int | None = Field(
        None, ge=1, description="decoding threads; null: one per processor, which is the most"
    )
    max_bad: int = Field(
        0,
        ge=0,
        description="images that may be unreadable: named, counted and left out; one more ends the run",
    )
    eval_crop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="side of the centre crop / side of the resized image; null: the model profile's"
    )


class Crop(Group):
    scale: Range = Field(description="area of the random crop / area of the image, from and to")
    ratio: Range = Field(description="width / height of the random crop, from and to")


class RandAugment(Group):
    """timm's `rand-m9-mstd0.5-inc1` is {ops: 2, prob: 0.5, magnitude: 9, std: 0.5, increasing: true}."""

    ops: int = Field(
        ge=1, le=15, description="operators drawn for each image, with replacement, from timm's 15"
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
        0.0, description="turn of the colour circle, uniform in -h..h; 0.5 is half of it"
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
        None, description="probability of cutmix in a mixed batch; given if and only if both are on"
    )


class AugmentGroup(Group):
    crop: Crop | None = Field(description="random resized crop; null: the whole image")
    flip: Annotated[float, Field(ge=0, le=1)] = Field(description="probability of a left-right flip")
    shift: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="largest shift / side, each axis, uniform"
    )
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(
        0.0, description="largest rotation in degrees, uniform"
    )
    repeats: int = Field(
        1,
        ge=1,
        le=100,
        description="draws of each image in a row; an epoch then sees 1 / repeats of the images",
    )
    randaugment: RandAugment | None = Field(None, description="random operators per image; null: none")
    jitter: Jitter | None = Field(None, description="colour jitter per image, after RandAugment; null: none")
    erase: Erase | None = Field(None, description="random erasing per image; null: none")
    mix: Mix | None = Field(None, description="mixup and cutmix per batch; null: none")


class LossGroup(Group):
    label_smoothing: Fraction = Field(description="probability spread evenly over all classes")


class OptimizerGroup(Group):
    name: Literal["adamw"]
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        description="moment decay rates"
    )
    eps: Positive = Field(description="added to the root of the second moment, after bias correction")
    weight_decay: NotNegative = Field(description="decoupled; multiplied by the learning rate of the step")
    decay_norm_and_bias: bool | None = Field(
        None, description="also decay norms and biases; null: as the profile says"
    )


class ScaledRate(Group):
    base: Positive = Field(description="learning rate at a global batch of `per`")
    per: int = Field(
        ge=1, description="global batch at which `base` holds; the rate grows linearly with the batch"
    )


class ScheduleGroup(Group):
    lr: Positive | ScaledRate = Field(description="peak learning rate: a number, or {base, per}")
    warmup_epochs: NotNegative = Field(description="epochs of linear rise from warmup_lr; may be fractional")
    warmup_lr: NotNegative = Field(description="learning rate of the first step")
    min_lr: NotNegative = Field(description="learning rate at the end of the cosine")
    decay_epochs: Positive | None = Field(
        None, description="length of the cosine in epochs; null: to the end"
    )
    cosine_from: Literal["warmup", "start"] = Field(
        description="epoch zero of the cosine: end of warm-up, or start"
    )
    by: Literal["step", "epoch"] = Field(description="the rate moves at every step, or once per epoch")


class TrainGroup(Group):
    epochs: int = Field(ge=1, le=100_000, description="passes over the training set")
    batch: int = Field(ge=1, description="images per step and device; an incomplete last batch is left out")
    seed: int = Field(0, ge=0, lt=2**31, description="initial weights, order and augmentation")
    clip_norm: Positive | None = Field(None, description="largest global gradient norm; null: no clipping")
    val_every: int = Field(
        1, ge=1, description="epochs between validations; the last epoch is always validated"
    )
    save_every: int | None = Field(
        None, ge=1, description="steps between checkpoints within an epoch; null: at the end of epochs alone"
    )
    log_every: int = Field(
        10, ge=1, description="steps between readings of the loss (each waits for the device)"
    )


class LossScale(Group):
    initial: Positive = Field(description="first loss scale; halved on overflow")
    window: int = Field(ge=1, description="steps without overflow after which it doubles")


class DeviceGroup(Group):
    target: Literal["auto", "CPU", "Ascend", "GPU"] = Field(
        "auto", description="auto: what this MindSpore is built for"
    )
    mode: Literal["graph", "pynative"] = Field(
        "graph", description="pynative runs step by step, for debugging"
    )
    jit_level: Literal["O0", "O1", "O2"] | None = Field(
        None, description="MindSpore's compilation level; null: its own"
    )
    amp: Literal["O0", "O2", "O3"] = Field(
        "O0", description="O0 float32; O2 float16 but for norms; O3 float16"
    )
    loss_scale: LossScale | None = Field(None, description="dynamic loss scaling; required by amp O2 and O3")


class Recipe(Group):
    """A recipe file, checked."""

    recipe: Annotated[str, Field(min_length=1, max_length=100)]
    doc: str = ""
    pending: list[str] = Field(
        default_factory=list,
        description="published settings this version does not carry out; printed at every start",
    )
    model: ModelGroup = Field(default_factory=ModelGroup)
    data: DataGroup = Field(default_factory=DataGroup)
    augment: AugmentGroup
    loss: LossGroup
    optimizer: OptimizerGroup
    schedule: ScheduleGroup
    train: TrainGroup
    device: DeviceGroup = Field(default_factory=DeviceGroup)

    def model_sets(self) -> dict[str, Any]:
        """Edits of the model spec that this recipe asks for, by dotted path."""
        own = {} if self.model.drop_path is None else {"drop_path": self.model.drop_path}
        return {**self.model.set, **own}

    def peak_lr(self, global_batch: int) -> float:
        lr = self.schedule.lr
        return lr.base * global_batch / lr.per if isinstance(lr, ScaledRate) else lr

    def resolved(self) -> dict[str, Any]:
        """Everything filled in, as plain data."""
        return self.model_dump(mode="json")
