"""What a data source is, and how `--data` finds one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.classes import Order
from runtime.data.identity import Identity
from runtime.data.splitting import Split


@dataclass(frozen=True)
class Batch:
    """images [n, c, h, w] float32, labels [n] int32; only the first `count` rows are real, the rest is padding."""

    images: Array
    labels: Array
    count: int
    name_of: Callable[[int], str] | None = None
    """What a person finds the image in a row by, for held-out images; asking may read a file."""


@dataclass(frozen=True)
class Bad:
    """An image that could not be read, and why."""

    name: str
    reason: str


def too_many(bad: Bad, count: int, most: int) -> CmtError:
    """`bad` is the `count`-th image that cannot be read, more than the `most` that may be left out."""
    number = f" (bad image {count}, data.max_bad is {most})" if most else ""
    return CmtError(
        "CMT-503",
        f"cannot read {bad.name}: {bad.reason}{number}",
        hint="repair or remove that file, or leave out some bad ones: --set data.max_bad=N; "
        "`cmt data check` lists all",
    )


@dataclass(frozen=True)
class Shard:
    """The part of every batch that worker `index` of `count` sees: each `count`-th row from `index` on."""

    index: int = 0
    count: int = 1

    @property
    def rows(self) -> slice:
        """Of an array over a global batch, an epoch or a split."""
        return slice(self.index, None, self.count)


WHOLE = Shard()


@dataclass(frozen=True)
class View:
    """How a model wants its images."""

    channels: int
    height: int
    width: int
    eval_crop: float

    @classmethod
    def of(cls, spec: object, eval_crop: float | None = None) -> View:
        """From a checked model; `eval_crop` None takes the profile's. CMT-801 if neither says."""
        own = spec.input  # type: ignore[attr-defined]
        if eval_crop is None:
            eval_crop = spec.profile_values.get("eval_crop")  # type: ignore[attr-defined]
        if isinstance(eval_crop, bool) or not isinstance(eval_crop, (int, float)) or not 0 < eval_crop <= 1:
            raise CmtError(
                "CMT-801",
                f"neither the recipe nor the model's profile gives a usable eval_crop, but {eval_crop!r}",
                path="data.eval_crop",
                hint="--set data.eval_crop=0.875",
            )
        return cls(own.channels, own.height, own.width, eval_crop)


class Source(Protocol):
    """Images with labels, split into train and val."""

    @property
    def name(self) -> str:
        """What a person calls the data."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of the labels."""
        ...

    @property
    def order(self) -> Order:
        """How that order came about."""
        ...

    @property
    def train_size(self) -> int:
        """Images to train on."""
        ...

    @property
    def val_size(self) -> int:
        """Held-out images."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the data, such as folders without images."""
        ...

    @property
    def split(self) -> Split | None:
        """Which images `data.split` holds out, None where the data says it."""
        ...

    @property
    def identity(self) -> Identity:
        """What the images are known by when a run goes on; made when it is first asked for. CMT-501."""
        ...

    @property
    def bad(self) -> list[Bad]:
        """Images found unreadable so far, each once; what is left out of training and validation."""
        ...

    @property
    def train_labels(self) -> Array:
        """[train_size] int32"""
        ...

    def train(
        self, batch: int, seed: int, epoch: int, shard: Shard = WHOLE, skip: int = 0
    ) -> Iterator[Batch]:
        """A shard of one shuffled, augmented epoch, in full batches of `batch` images, from batch `skip` on.

        The same (seed, epoch) gives the same global batches of `batch * shard.count` images, however many shards
        they are dealt to: rows `shard.rows` of each.
        """
        ...

    def val(self, batch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        """Every held-out image of the shard once, in a fixed order; the last batch is padded to full size.

        All shards together hold each readable image exactly once; a shard may be empty.
        """
        ...

    def train_as_val(self, rows: Array) -> Iterator[Array]:
        """These training images as validation would show them, [k, c, h, w] each; unreadable ones as in training."""
        ...

    def pixels(self, images: Array) -> Array:
        """Images of a batch as a person sees them: uint8 [n, h, w, 3]."""
        ...


def require_classes(source: Source, classes: int) -> None:
    """CMT-502 unless a model that is to be trained has as many classes as the source."""
    if len(source.classes) != classes:
        raise CmtError(
            "CMT-502",
            f"the model has {classes} classes, the data {len(source.classes)} ({source.name})",
            hint=f"--set classes={len(source.classes)}",
        )
