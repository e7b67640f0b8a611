"""Write the images of a folder into MindRecord files, as they are: not decoded, in the order of classes and names."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from cmt_dsl.errors import CmtError
from runtime.data.stores.folder import Files, folder_census
from runtime.data.stores.layout import no_folder
from runtime.data.stores.mindrecord import CLASSES, LABEL, NAMES
from runtime.data.stores.walk import printable
from runtime.device.environment import mindspore
from runtime.recipe.schema import DataGroup

WRITTEN = 64  # records handed over at once


def pack(
    root: Path,
    out: Path,
    shards: int,
    progress: Callable[[int, int], object],
    group: DataGroup | None = None,
) -> tuple[dict[str, int], list[str]]:
    """train.mindrecord, val.mindrecord and classes.txt in the new directory `out`; (images by split, notes).

    `progress` is told how many images of how many are written. The directory appears whole or not at all; CMT-510 if
    it exists, CMT-503 for a file that cannot be read.
    """
    mindspore()
    from mindspore.mindrecord import FileWriter

    if not root.is_dir():
        raise no_folder(root)
    if out.exists():
        raise CmtError("CMT-510", f"{out} exists already", hint="choose another --out, or remove it")
    found = folder_census(root, group)
    classes = found.order.names
    if lines := [name for name in classes if len(name.splitlines()) != 1 or printable(name) != name]:
        raise CmtError(
            "CMT-510", f"class folder {printable(lines[0])!r} has no name that fits a line of text"
        )
    splits = {"train": Files(found.train or {}, classes, root), "val": Files(found.val, classes, root)}
    total, done = sum(len(files.labels) for files in splits.values()), 0
    partial = Path()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        for split, files in splits.items():
            writer = FileWriter(str(partial / f"{split}.mindrecord"), min(shards, len(files.labels)))
            fields = {"image": {"type": "bytes"}, LABEL: {"type": "int32"}, NAMES[0]: {"type": "string"}}
            writer.add_schema(fields, "encoded images with labels")
            waiting = []
            for index in range(len(files.labels)):
                name = os.path.relpath(files.paths[index], root)
                waiting.append(
                    {
                        "image": _content(files, index),
                        LABEL: int(files.labels[index]),
                        NAMES[0]: printable(name),
                    }
                )
                if len(waiting) == WRITTEN or index == len(files.labels) - 1:
                    writer.write_raw_data(waiting)
                    done, waiting = done + len(waiting), []
                    progress(done, total)
            writer.commit()
        (partial / CLASSES).write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        partial.chmod(0o755)
        partial.rename(out)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0][:200]
        raise CmtError("CMT-510", f"cannot write {out}: {reason}") from None
    finally:
        if partial.name:
            shutil.rmtree(partial, ignore_errors=True)
    return {split: len(files.labels) for split, files in splits.items()}, list(found.notes)


def _content(files: Files, index: int) -> bytes:
    try:
        content = files.read(index)
    except OSError as error:
        raise CmtError("CMT-503", f"cannot read {files.name(index)}: {error.strerror}") from None
    if not content:
        raise CmtError("CMT-503", f"{files.name(index)} is empty", hint="remove it")
    return content
