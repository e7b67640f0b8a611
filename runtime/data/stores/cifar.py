"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary form: label bytes, then 32 x 32 red, green and blue planes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.data.pictures import Pictures
from runtime.data.source import View
from runtime.data.stored import InOrder
from runtime.recipe.augment import AugmentGroup
from runtime.recipe.schema import DataGroup

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Form:
    """Files of a variant; `label` is the byte of a record that counts, of `label_bytes`."""

    folder: str
    train: tuple[str, ...]
    val: str
    names: str
    classes: int
    label: int
    label_bytes: int


FORMS = (
    Form(
        "cifar-10-batches-bin",
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test_batch.bin",
        "batches.meta.txt",
        10,
        0,
        1,
    ),
    Form("cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt", 100, 1, 2),
)


class Planes(InOrder):
    """Pictures in memory, uint8 [n, 32, 32, 3]."""

    def __init__(self, paths: list[Path], form: Form):
        records = [_records(path, form) for path in paths]
        self._files = [path for path, part in zip(paths, records, strict=True) for _ in range(len(part))]
        self._places = [i for part in records for i in range(len(part))]
        together = np.concatenate(records)
        self.labels = together[:, form.label].astype(np.int32)
        self._images = together[:, form.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)

    def name(self, index: int) -> str:
        return f"{self._files[index]} record {self._places[index]}"

    def identity(self, index: int) -> tuple[str, int]:
        return str(zlib.crc32(self.read(index).tobytes())), PIXELS

    def read(self, index: int) -> Array:
        return np.ascontiguousarray(self._images[index])


def find_cifar(root: Path) -> tuple[Path, Form] | None:
    """The folder that holds CIFAR's files, `root` or the one it was unpacked to, and their form."""
    for form in FORMS:
        for folder in (root, root / form.folder):
            if any((folder / name).is_file() for name in (form.names, form.val)):
                return folder, form
    return None


def open_cifar(
    found: tuple[Path, Form], view: View, augment: AugmentGroup | None, group: DataGroup
) -> Pictures:
    """The source; CMT-501 for a missing file, CMT-507 for a damaged one."""
    folder, form = found
    stored = {"val": Planes([folder / form.val], form)}
    if augment is not None:
        stored["train"] = Planes([folder / name for name in form.train], form)
    return Pictures(str(folder), _names(folder / form.names, form), dict(stored), view, augment, group)


def _records(path: Path, form: Form) -> Array:
    """uint8 [n, label bytes + pixels]."""
    try:
        raw = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        others = ", ".join((*form.train, form.val, form.names))
        raise CmtError(
            "CMT-501", f"cannot read {path}: {error.strerror}", hint=f"the folder holds {others}"
        ) from None
    length = form.label_bytes + PIXELS
    if len(raw) == 0 or len(raw) % length:
        raise CmtError(
            "CMT-507",
            f"{path} has {len(raw):,} bytes, which is no multiple of a record's {length:,}",
            hint="the download is incomplete, or this is not the binary version; fetch and unpack it again",
        )
    records = raw.reshape(-1, length)
    wrong = np.flatnonzero(records[:, form.label] >= form.classes)
    if len(wrong):
        label = int(records[wrong[0], form.label])
        raise CmtError(
            "CMT-507",
            f"{path} record {wrong[0]} has label {label} of {form.classes} classes",
            hint=f"these are not records of {length:,} bytes: is it another CIFAR's file?",
        )
    return records


def _names(path: Path, form: Form) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CmtError("CMT-501", f"cannot read the class names in {path}: {error}") from None
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != form.classes or len(set(names)) != len(names):
        raise CmtError("CMT-507", f"{path} names {len(set(names))} classes instead of {form.classes}")
    return names
