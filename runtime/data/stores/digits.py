"""1,797 scanned digits of 8x8 pixels, from scikit-learn: real images that need no download."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.classes import Order
from runtime.data.identity import Identity, of_arrays
from runtime.data.image.affine import draw, resize, warp
from runtime.data.image.decoding import picture
from runtime.data.image.erasing import erased
from runtime.data.order import epoch_draws
from runtime.data.source import WHOLE, Bad, Batch, Shard, View
from runtime.data.splitting import Split
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup

SPLIT_SEED = 20211107  # never changes: the 360 held-out scans are the same for every recipe
VAL_SIZE = 360


class Digits:
    """Grey scans shown at the model's size, repeated over its channels, normalised by the training scans."""

    name = "digits"
    classes = tuple("0123456789")
    order = Order(classes)

    def __init__(self, view: View, augment: AugmentGroup | None, group: DataGroup | None = None):
        for field, named in (("randaugment", "RandAugment"), ("jitter", "colour jitter")):
            if augment is not None and getattr(augment, field) is not None:
                raise CmtError(
                    "CMT-801",
                    f"{named} is for colour pictures, not for the digits",
                    path=f"augment.{field}",
                    hint=f"--set augment.{field}=null",
                )
        self.notes: tuple[str, ...] = ()
        self.bad: list[Bad] = []
        self.split: Split | None = None
        scans, labels = _load()
        train, val = split(labels)
        self.train_size, self.val_size = len(train), len(val)
        self._view, self._augment = view, augment
        self._balance = group is not None and group.balance
        mean, std = scans[train].mean(), scans[train].std()
        shown = resize((scans - mean) / std, view.height, view.width)
        self._mean, self._std = float(mean), float(std)
        self._empty = float(-mean / std)  # the paper around a digit
        self._train = shown[train], labels[train]
        self._val = shown[val], labels[val]
        self._scans = val

    @property
    def train_labels(self) -> Array:
        return self._train[1]

    def train(
        self, batch: int, seed: int, epoch: int, shard: Shard = WHOLE, skip: int = 0
    ) -> Iterator[Batch]:
        if self._augment is None:
            raise ValueError("a source opened without augment can only validate")
        rng, everyone = np.random.default_rng([seed, epoch]), batch * shard.count
        images, labels = self._train
        order = epoch_draws(rng, labels, self._augment.repeats, balance=self._balance)
        for start in range(0, self.train_size - everyone + 1, everyone):
            moves = draw(rng, everyone, self._augment)[shard.rows]
            if start < skip * everyone:  # drawn all the same: what follows depends on it
                continue
            draws = order[start : start + everyone][shard.rows]
            rows = draws % self.train_size
            seen = self._channels(warp(images[rows], moves, self._empty))
            yield Batch(erased(seen, draws, self._augment.erase, seed, epoch), labels[rows], batch)

    def val(self, batch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        images, labels = self._val
        mine = np.arange(self.val_size)[shard.rows]
        for start in range(0, len(mine), batch):
            rows = mine[start : start + batch]
            count = len(rows)
            rows = np.concatenate([rows, np.repeat(rows[:1], batch - count)])
            yield Batch(self._channels(images[rows]), labels[rows], count, partial(self._name, rows))

    def train_as_val(self, rows: Array) -> Iterator[Array]:
        yield self._channels(self._train[0][rows])

    @property
    def normalisation(self) -> tuple[float, float]:
        """Mean and standard deviation of the training scans, pixels being 0 to 1."""
        return self._mean, self._std

    @property
    def identity(self) -> Identity:
        return self._identified

    @cached_property
    def _identified(self) -> Identity:
        return {
            name: of_arrays(*part, self.classes)
            for name, part in (("train", self._train), ("val", self._val))
        }

    def pixels(self, images: Array) -> Array:
        ink = (images.mean(axis=1) * self._std + self._mean) * 255
        return np.repeat(np.clip(np.rint(ink), 0, 255).astype(np.uint8)[..., None], 3, axis=3)

    def read(self, content: bytes) -> Array:
        """A file's picture, white on black as the scans are, as the model sees it: [c, h, w]. Raises Unreadable."""
        from PIL.Image import Resampling

        view = self._view
        seen = picture(content, max(view.height, view.width)).convert("L")
        if seen.width > view.width or seen.height > view.height:
            seen = seen.resize((view.width, view.height), Resampling.BICUBIC)
        grey = np.asarray(seen, dtype=np.float32) / 255
        shown = resize((grey[None] - self._mean) / self._std, view.height, view.width)
        return self._channels(shown)[0]

    def _name(self, rows: Array, row: int) -> str:
        return f"scan {self._scans[rows[row]]}"  # of scikit-learn's

    def _channels(self, grey: Array) -> Array:
        """[n, h, w] to [n, c, h, w]."""
        return np.ascontiguousarray(np.repeat(grey[:, None], self._view.channels, axis=1), dtype=np.float32)


def split(labels: Array) -> tuple[Array, Array]:
    """Indices of the 1,437 training and 360 held-out scans: 36 held out, more or less, of each digit."""
    rng = np.random.default_rng(SPLIT_SEED)
    counts = np.bincount(labels, minlength=10)
    share = counts * VAL_SIZE / len(labels)
    take = np.floor(share).astype(int)
    for digit in np.argsort(take - share, kind="stable")[: VAL_SIZE - take.sum()]:
        take[digit] += 1
    val = np.concatenate([rng.permutation(np.flatnonzero(labels == d))[: take[d]] for d in range(10)])
    val.sort()
    return np.setdiff1d(np.arange(len(labels)), val), val


def _load() -> tuple[Array, Array]:
    """Scans [1797, 8, 8] float32 in 0..1 and labels [1797] int32."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise CmtError(
            "CMT-504",
            "the digits come with scikit-learn, which is not installed",
            hint="pip install 'cmt-dsl[demo]'",
        ) from None
    data: Any = load_digits()
    return (data.images / 16.0).astype(np.float32), data.target.astype(np.int32)
