"""How `--data` finds its source, and how a model sees one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from runtime.data.classes import match
from runtime.data.source import WHOLE, Batch, Shard, Source, View
from runtime.data.splitting import Split
from runtime.data.stores.cifar import find_cifar, open_cifar
from runtime.data.stores.digits import Digits
from runtime.data.stores.folder import open_folder
from runtime.data.stores.layout import no_folder
from runtime.data.stores.mindrecord import find_records, open_records
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup


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
        return Digits(view, augment, group)
    root, group = Path(data), group if group is not None else DataGroup()
    if not root.is_dir():
        raise no_folder(root)
    if cifar := find_cifar(root):
        return open_cifar(cifar, view, augment, group)
    if any(find_records(root, name) for name in (group.val_name, group.train_name)):
        return open_records(root, view, augment, group, split)
    return open_folder(root, view, augment, group, split)


class Renumbered:
    """A source whose held-out labels are numbered as a model's logits; everything else is the source's own."""

    def __init__(self, source: Source, logits: tuple[int, ...], classes: tuple[str, ...]):
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
