"""Arrays through a model's weights: logits and features, by MindSpore or by the NumPy reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl import Graph
from cmt_dsl.errors import CmtError

Arrays = dict[str, np.ndarray]
Compute = Callable[[np.ndarray], list[np.ndarray]]


def computer(
    graph: Graph, weights: Arrays, outputs: Sequence[str] = (), backend: str = "mindspore"
) -> Compute:
    """A function from images `[n, c, h, w]` to the values of `outputs` (none: the logits), on the host.

    CMT-404 for an unknown output, or for one inside a stage when MindSpore computes.
    """
    nodes = [graph.output_of(path) for path in outputs] or [graph.output.path]
    if backend == "numpy":
        from cmt_dsl.lower.numpy import run_all

        return lambda images: list(run_all(graph, weights, images, nodes).values())
    from cmt_dsl import to_cell
    from runtime.device.environment import mindspore

    ms = mindspore()
    cell: Any = to_cell(graph, weights=weights, outputs=tuple(outputs))
    cell.set_train(False)

    def compute(images: np.ndarray) -> list[np.ndarray]:
        values = cell(ms.Tensor(images))
        return [value.asnumpy().copy() for value in (values if isinstance(values, tuple) else (values,))]

    return compute


def in_batches(compute: Compute, images: np.ndarray, batch: int) -> Iterator[list[np.ndarray]]:
    """The values for each `batch` rows; the last ones are padded, so that one compiled graph serves all."""
    batch = min(batch, len(images))
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        padding = np.repeat(part[:1], batch - len(part), axis=0)
        values = compute(np.concatenate([part, padding]) if len(padding) else part)
        yield [value[: len(part)] for value in values]


def read_images(path: Path, graph: Graph) -> np.ndarray:
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
