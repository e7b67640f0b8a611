"""MindRecord: DIR/train.mindrecord and val.mindrecord (or parts .mindrecord0, 1, …) with encoded images and labels.

A record has one field of bytes, the image file, and an integer `label`; DIR/classes.txt names the classes, a line each.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.agreement import agree
from runtime.data.classes import class_names
from runtime.data.pictures import Pictures
from runtime.data.source import View
from runtime.data.splitting import Part, Split, held_rows, hold_out, told
from runtime.device.environment import mindspore
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup

CLASSES = "classes.txt"
LABEL, NAMES = "label", ("name", "file_name")
SCAN = 4096  # labels read at once


def find_records(root: Path, split: str) -> list[Path]:
    """The files of a split in the order of their numbers; each has its index `.db` beside it."""
    found = [p for p in root.glob(f"{split}.mindrecord*") if re.fullmatch(r"\.mindrecord\d*", p.suffix)]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def open_records(
    root: Path, view: View, augment: AugmentGroup | None, group: DataGroup, split: Split | None = None
) -> Pictures:
    """The source; CMT-501 for a missing file, CMT-509 for one that does not hold what it should.

    Without records of held-out images `data.split` holds some out, or the list `split` of a run says which.
    """
    names = {"train": group.train_name, "val": group.val_name}
    making = group.split is not None and not find_records(root, group.val_name)
    wanted = ["train"] if making else ["val"] if augment is None else ["train", "val"]
    stored: dict[str, Any] = {}
    for part in wanted:
        files = find_records(root, names[part])
        if not files:
            hint = "--set data.split=0.1 holds out a tenth of each class" if part == "val" else ""
            raise CmtError("CMT-501", f"there is no {root / names[part]}.mindrecord", hint=hint)
        stored[part] = Records(files)
    if not making and group.split is not None and augment is not None:
        raise CmtError(
            "CMT-801",
            f"there is {root / names['val']}.mindrecord, and data.split is for data without held-out images",
            path="data.split",
            hint="--set data.split=null",
        )
    classes = _classes(root, 1 + max(int(store.labels.max(initial=-1)) for store in stored.values()))
    notes: list[str] = []
    made = None
    if making and group.split is not None:
        whole: Records = stored.pop("train")
        numbers = [str(index) for index in range(len(whole.labels))]
        made = split or hold_out(numbers, whole.labels, group.split, group.split_seed, str(root))
        rows = held_rows(numbers, made, str(root))
        notes.append(told(made, len(rows), split is not None))
        stored["val"] = Part(whole, np.flatnonzero(rows))
        if augment is not None:
            stored["train"] = Part(whole, np.flatnonzero(~rows))
    if "train" in stored:
        counts = {
            part: dict(zip(classes, np.bincount(held.labels, minlength=len(classes)).tolist(), strict=True))
            for part, held in stored.items()
        }
        notes += agree(str(root), counts["train"], counts["val"], (names["train"], names["val"]))
    return Pictures(str(root), classes, stored, view, augment, group, tuple(notes), split=made)


class Records:
    """Encoded images in MindRecord files, read by MindSpore in exactly the order asked for."""

    def __init__(self, files: list[Path]):
        self._files = [str(path) for path in files]
        self._where = self._files[0] if len(files) == 1 else f"{self._files[0]}…"
        for path in files:
            if not path.with_name(path.name + ".db").is_file():
                raise CmtError("CMT-501", f"{path} lacks its index {path.name}.db", hint="copy both files")
        self._bytes = sum(path.stat().st_size for path in files)
        self._lock = threading.Lock()
        schema = self._schema()
        images = [name for name, field in schema.items() if field.get("type") == "bytes"]
        if len(images) != 1 or schema.get(LABEL, {}).get("type") not in ("int32", "int64"):
            raise CmtError(
                "CMT-509",
                f"{self._where} has the fields {', '.join(schema)}; one of bytes and an integer 'label' are needed",
                hint="`cmt data pack` writes such files from an image folder",
            )
        self._image = images[0]
        self._name = next((name for name in NAMES if schema.get(name, {}).get("type") == "string"), None)
        self.labels = self._labels()
        if len(self.labels) == 0 or self.labels.min() < 0:
            what = "holds no records" if len(self.labels) == 0 else f"has a label {self.labels.min()}"
            raise CmtError("CMT-509", f"{self._where} {what}")

    def name(self, index: int) -> str:
        where = f"{self._where} record {index}"
        if self._name is None:
            return where
        return f"{where} ({next(self._rows([self._name], [index]))[0].item()})"

    def read(self, index: int) -> bytes:
        with self._lock:
            return next(self._rows([self._image], [index]))[0].tobytes()

    def contents(self, indices: Array) -> Iterator[Callable[[], bytes]]:
        rows = self._rows([self._image], indices.tolist())
        return (row[0].tobytes for row in rows)

    def identity(self, index: int) -> tuple[str, int]:
        return str(index), self._bytes

    def _rows(self, columns: list[str], indices: list[int]) -> Iterator[list[Array]]:
        """Those fields of those records, in that order."""
        mindspore()
        import mindspore.dataset as ds

        if not indices:
            return
        with self._named():
            sampler = ds.SubsetSampler(indices)
            found = ds.MindDataset(self._files, columns_list=columns, sampler=sampler, num_parallel_workers=1)
            rows: Any = found.create_tuple_iterator(num_epochs=1, output_numpy=True)
            yield from rows

    def _labels(self) -> Array:
        mindspore()
        import mindspore.dataset as ds

        with self._named():
            found = ds.MindDataset(
                self._files, columns_list=[LABEL], shuffle=False, num_parallel_workers=1
            ).batch(SCAN)
            parts = [row[0] for row in found.create_tuple_iterator(num_epochs=1, output_numpy=True)]
        return np.concatenate(parts).reshape(-1).astype(np.int32) if parts else np.empty(0, np.int32)

    def _schema(self) -> dict[str, dict[str, Any]]:
        mindspore()
        from mindspore.mindrecord import FileReader

        with self._named():
            reader = FileReader(self._files[0])
            try:
                return reader.schema()
            finally:
                reader.close()

    @contextlib.contextmanager
    def _named(self) -> Generator[None, None, None]:
        """MindSpore's many errors as one that names the file."""
        try:
            yield
        except (RuntimeError, ValueError, TypeError) as error:
            _, _, told = str(error).rpartition("Dataset Pipeline Error Message:")
            lines = [line.strip("- \t") for line in told.splitlines()]
            first = next((line for line in lines if line), type(error).__name__)
            raise CmtError(
                "CMT-509",
                f"cannot read {self._where}: {first[:200]}",
                hint="the file or its index .db is damaged, or one of them was renamed; pack it again",
            ) from None


def _classes(root: Path, least: int) -> tuple[str, ...]:
    path = root / CLASSES
    if not path.exists():
        return tuple(str(number) for number in range(least))
    try:
        names = class_names(str(path))
    except CmtError as error:
        raise CmtError("CMT-509", error.problems[0].message, hint=error.problems[0].hint) from None
    if len(names) < least:
        raise CmtError(
            "CMT-509",
            f"{path} names {len(names)} classes, the records have labels up to {least - 1}",
            hint="one line for each class, none twice",
        )
    return names
