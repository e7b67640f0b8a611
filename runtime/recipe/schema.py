"""What a recipe file may say: how a model is trained, as data. A field exists only if the runtime carries it out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from runtime.recipe.augment import AugmentGroup
from runtime.recipe.fields import Folder, Fraction, Group, NotNegative, Positive
from runtime.recipe.optimizer import OptimizerGroup


class ModelGroup(Group):
    name: str | None = Field(
        default=None, description="the model it was published for, trained where the command names none"
    )
    drop_path: Fraction | None = Field(
        default=None, description="stochastic depth of the last block; null: the model's own"
    )
    set: dict[str, Any] = Field(default_factory=dict, description="edits of the model spec, by dotted path")


class DataGroup(Group):
    workers: int | None = Field(
        default=None, ge=1, description="decoding threads; null: one per processor, which is the most"
    )
    max_bad: int = Field(
        default=0,
        ge=0,
        description="images that may be unreadable: named, counted and left out; one more ends the run",
    )
    eval_crop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="side of the centre crop / side of the resized image; null: the model profile's",
    )
    train_name: Folder = Field(default="train", description="folder of the training images in DIR")
    val_name: Folder = Field(default="val", description="folder of the held-out images in DIR")
    split: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="share of each class to hold out where DIR has no held-out images"
    )
    balance: bool = Field(
        default=False,
        description="draw each class equally often: of a small one each image several times an epoch",
    )
    split_seed: int = Field(default=0, ge=0, lt=2**31, description="which images data.split holds out")
    classes: str | None = Field(
        default=None,
        description="'imagenet', or a file with the names of the classes in order; null: DIR/classes.txt",
    )
    class_order: Literal["text", "natural"] | None = Field(
        default=None,
        description="how class folders are sorted where no list is; natural: by the numbers in their names",
    )


def _weights_kind(value: Any) -> str:
    return "weights by class" if isinstance(value, dict) else "auto"


class LossGroup(Group):
    label_smoothing: Fraction = Field(description="probability spread evenly over all classes")
    class_weights: (
        Annotated[
            Annotated[Literal["auto"], Tag("auto")] | Annotated[dict[str, Positive], Tag("weights by class")],
            Discriminator(_weights_kind),
        ]
        | None
    ) = Field(
        default=None,
        description="factor of each class's loss: {name: weight}, others 1; auto: by how rare a class is; null: none",
    )


class ScaledRate(Group):
    base: Positive = Field(description="learning rate at a global batch of `per`")
    per: int = Field(
        ge=1, description="global batch at which `base` holds; the rate grows linearly with the batch"
    )


class ScheduleGroup(Group):
    lr: Positive | ScaledRate = Field(description="peak learning rate: a number, or {base, per}")
    warmup_epochs: NotNegative = Field(description="epochs of linear rise from warmup_lr; may be fractional")
    warmup_lr: NotNegative | None = Field(
        default=None, description="learning rate of the first step; needed where there is a warm-up"
    )
    min_lr: NotNegative = Field(description="learning rate at the end of the cosine")
    decay_epochs: Positive | None = Field(
        default=None, description="length of the cosine in epochs; null: to the end"
    )
    cosine_from: Literal["warmup", "start"] = Field(
        description="epoch zero of the cosine: end of warm-up, or start"
    )
    by: Literal["step", "epoch"] = Field(description="the rate moves at every step, or once per epoch")
    may_end_early: bool = Field(
        default=False,
        description="a run shorter than warm-up and cosine stops within them; false: it is an error",
    )


class Average(Group):
    """Exponential moving average of weights and running statistics, one step per update."""

    decay: Fraction = Field(description="share of the average that an update keeps")
    warmup: bool = Field(default=False, description="after t updates the share is at most (1 + t) / (10 + t)")


class TrainGroup(Group):
    epochs: int = Field(ge=1, le=100_000, description="passes over the training set")
    batch: int = Field(ge=1, description="images per step and device; an incomplete last batch is left out")
    accumulate: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="batches per update; an incomplete last group is left out of an epoch",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="initial weights, order and augmentation")
    clip_norm: Positive | None = Field(
        default=None, description="largest global gradient norm; null: no clipping"
    )
    ema: Average | None = Field(default=None, description="moving average of the weights; null: none")
    freeze: list[str] = Field(
        default_factory=list, description="parts that stay as they are, by path: stem, stages.0, head.conv"
    )
    freeze_norm: bool = Field(
        default=False,
        description="all batch norms use, and keep, their running statistics; their weights train",
    )
    recompute: list[str] = Field(
        default_factory=list,
        description="stages or blocks whose activations are computed again for the backward pass",
    )
    init: str | None = Field(
        default=None,
        description="file, or pretrained:NAME, whose weights the run starts from, adapted; null: the seed's",
    )
    init_weights: Literal["raw", "ema"] = Field(default="raw", description="which weights of that checkpoint")
    init_depth: bool = Field(
        default=False,
        description="its stages may have other numbers of blocks: the last are left out, or start anew",
    )
    sink: int = Field(default=1, ge=1, le=10_000, description="batches handed to the device at once")
    val_every: int = Field(
        default=1, ge=1, description="epochs between validations; the last epoch is always validated"
    )
    save_every: int | None = Field(
        default=None,
        ge=1,
        description="steps between checkpoints within an epoch; null: at the end of epochs alone",
    )
    keep: int = Field(
        default=3,
        ge=0,
        le=1000,
        description="best epochs by top-1 whose checkpoints are kept, as epoch-012.safetensors",
    )
    log_every: int = Field(
        default=10, ge=1, description="steps between readings of the loss (each waits for the device)"
    )


class DynamicScale(Group):
    initial: Positive = Field(description="first loss scale; halved on overflow")
    window: int = Field(ge=1, description="updates without overflow after which it doubles")


class FixedScale(Group):
    fixed: Positive = Field(description="loss scale of the whole run; updates that overflow are left out")


def _scale_kind(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "a fixed scale" if "fixed" in keys else "a dynamic scale"


LossScale = Annotated[
    Annotated[DynamicScale, Tag("a dynamic scale")] | Annotated[FixedScale, Tag("a fixed scale")],
    Discriminator(_scale_kind),
]


def _no_gpu(value: object) -> object:
    if isinstance(value, str) and value.lower() in ("gpu", "cuda"):
        raise ValueError(
            "no MindSpore that this version supports (2.7 to 2.10) is built for GPUs: use Ascend, CPU, or auto"
        )
    return value


class DeviceGroup(Group):
    target: Annotated[Literal["auto", "CPU", "Ascend"], BeforeValidator(_no_gpu)] = Field(
        default="auto", description="auto: what this MindSpore is built for"
    )
    mode: Literal["graph", "pynative"] = Field(
        default="graph", description="pynative runs step by step, for debugging"
    )
    jit_level: Literal["O0", "O1", "O2"] | None = Field(
        default=None, description="MindSpore's compilation level; null: its own"
    )
    amp: Literal["O0", "O2", "O3"] = Field(
        default="O0", description="O0 float32; O2 amp_dtype but for norms; O3 amp_dtype"
    )
    amp_dtype: Literal["float16", "bfloat16"] = Field(
        default="float16", description="what amp O2 and O3 compute in; bfloat16 does not run on the CPU"
    )
    loss_scale: LossScale | None = Field(
        default=None, description="{initial, window} or {fixed}; float16 needs one"
    )


class Recipe(Group):
    """A recipe file, checked."""

    recipe: Annotated[str, Field(min_length=1, max_length=100)]
    doc: str = ""
    pending: list[str] = Field(
        default_factory=list,
        description="published settings this version does not carry out; printed at every start",
    )
    notes: list[str] = Field(default_factory=list, description="remarks; printed at every start")
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

    def images_per_update(self, devices: int = 1) -> int:
        """The global batch that learning rates are given for."""
        return self.train.batch * self.train.accumulate * devices

    def steps_per_epoch(self, train_size: int, devices: int = 1) -> int:
        """Batches of one device in an epoch: whole groups of `train.accumulate` alone."""
        return train_size // self.images_per_update(devices) * self.train.accumulate

    def resolved(self) -> dict[str, Any]:
        """Everything filled in, as plain data."""
        return self.model_dump(mode="json")
