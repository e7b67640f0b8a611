"""What a data source is, and how `--data` finds one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cmt_dsl.errors import CmtError
from runtime.data.classes import Order, match

if TYPE_CHECKING:
    import numpy as np

    from runtime.data.identity import Identity
    from runtime.data.splitting import Split
    from runtime.recipe.augment import AugmentGroup
    from runtime.recipe.schema import DataGroup


@dataclass(frozen=True)
class Batch:
    """images [n, c, h, w] float32, labels [n] int32; only the first `count` rows are real, the rest is padding."""

    images: np.ndarray
    labels: np.ndarray
    count: int
    name_of: Callable[[int], str] | None = None
    """What a person finds the image in a row by, for held-out images; asking may read a file."""


@dataclass(frozen=True)
class Bad:
    """An image that could not be read, and why."""

    name: str
    reason: str


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

    name: str
    classes: tuple[str, ...]
    order: Order
    train_size: int
    val_size: int
    notes: tuple[str, ...]
    """What a person should know of the data, such as folders without images."""
    split: Split | None
    """Which images `data.split` holds out, None where the data says it."""
    identity: Identity
    """What the images are known by when a run goes on; made when it is first asked for. CMT-501."""
    bad: list[Bad]
    """Images found unreadable so far, each once; what is left out of training and validation."""

    @property
    def train_labels(self) -> np.ndarray:
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

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Images of a batch as a person sees them: uint8 [n, h, w, 3]."""
        ...


def open_source(
    data: str,
    view: View,
    *,
    augment: AugmentGroup | None = None,
    group: DataGroup | None = None,
    split: Split | None = None,
) -> Source:
    """The source that `--data` names: "digits", or a folder of images, CIFAR's files or MindRecord. Raises CMT-5xx.

    Without `augment` the source can only validate. `split` is what a run held out by `data.split`.
    """
    if data == "digits":
        from runtime.data.digits import Digits

        return Digits(view, augment, group)
    from runtime.data.cifar import find_cifar, open_cifar
    from runtime.data.folder import open_folder
    from runtime.data.layout import no_folder
    from runtime.data.mindrecord import find_records, open_records
    from runtime.recipe.schema import DataGroup

    root, group = Path(data), group if group is not None else DataGroup()
    if not root.is_dir():
        raise no_folder(root)
    if cifar := find_cifar(root):
        return open_cifar(cifar, view, augment, group)
    if any(find_records(root, name) for name in (group.val_name, group.train_name)):
        return open_records(root, view, augment, group, split)
    return open_folder(root, view, augment, group, split)


def require_classes(source: Source, classes: int) -> None:
    """CMT-502 unless a model that is to be trained has as many classes as the source."""
    if len(source.classes) != classes:
        raise CmtError(
            "CMT-502",
            f"the model has {classes} classes, the data {len(source.classes)} ({source.name})",
            hint=f"--set classes={len(source.classes)}",
        )


class Renumbered:
    """A source whose held-out labels are numbered as a model's logits; everything else is the source's own."""

    def __init__(self, source: Source, logits: tuple[int, ...], classes: tuple[str, ...]):
        import numpy as np

        self._source, self._logits, self.classes = source, np.asarray(logits, np.int32), classes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def val(self, batch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        for part in self._source.val(batch, shard):
            yield replace(part, labels=self._logits[part.labels])


def as_model_sees(source: Source, classes: int, names: Sequence[str] = ()) -> tuple[Source, tuple[str, ...]]:
    """(the source with a model's class names and numbers, notes) for a model of `classes` logits; CMT-502, 511, 512.

    `names` are the model's classes in order, if they are known: then the data's are found by name, and may be some
    of them or in another order.
    """
    logits, known, note = match(classes, names, source.order, source.name)
    notes = (note,) if note else ()
    if logits != tuple(range(classes)) or known != source.classes:
        renumbered: Any = Renumbered(source, logits, known)
        source = renumbered
        if len(logits) < classes:
            notes = (*notes, f"the data has {len(logits)} of the model's {classes} classes")
    return source, notes
