"""Arrays of a file through a model: read, checked, and given in batches of one shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import Graph
from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.infer.backend import Compute


def in_batches(compute: Compute, images: Array, batch: int) -> Iterator[list[Array]]:
    """The values for each `batch` rows; the last ones are padded, so that one compiled graph serves all."""
    batch = min(batch, len(images))
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        padding = np.repeat(part[:1], batch - len(part), axis=0)
        values = compute(np.concatenate([part, padding]) if len(padding) else part)
        yield [value[: len(part)] for value in values]


def read_images(path: Path, graph: Graph) -> Array:
    """Float32 images `[n, c, h, w]` of a .npy file, as the model takes them; CMT-638 or CMT-403."""
    try:
        images: Any = np.load(path, allow_pickle=False)
    except OSError as error:
        raise CmtError("CMT-638", f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise CmtError(
            "CMT-638", f"{path} is not a .npy array: {error}", hint="numpy.save(path, images)"
        ) from None
    if not isinstance(images, np.ndarray):
        raise CmtError("CMT-638", f"{path} holds several arrays", hint="numpy.save writes one")
    if images.dtype != np.float32:
        raise CmtError(
            "CMT-638",
            f"{path} holds {images.dtype}, the model takes float32",
            hint="images.astype(numpy.float32), normalised as in training",
        )
    expected = graph.input.type
    if images.ndim != 4 or images.shape[1:] != expected.sizes or not len(images):
        raise CmtError(
            "CMT-403",
            f"the model takes {expected}, {path} holds {list(images.shape)}",
            hint="images are [n, channels, height, width], n at least 1",
        )
    return np.asarray(images, order="C")
