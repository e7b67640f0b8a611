"""Generated source to a live Cell with its weights and rates."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import shutil
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.ir import Array, Graph, Node, require_fit
from cmt_dsl.lower.mindspore.cell import write
from cmt_dsl.lower.mindspore.names import mindspore_name
from cmt_dsl.lower.mindspore.process import prepare, quiet_exit
from cmt_dsl.lower.mindspore.source import part_of, source
from cmt_dsl.weights.initial import initial


def to_cell(
    graph: Graph,
    *,
    seed: int = 0,
    weights: Mapping[str, Array] | None = None,
    file: Path | None = None,
    outputs: Sequence[str] = (),
) -> Any:
    """The graph as a `mindspore.nn.Cell`: images `[n, c, h, w]` to logits, or to a tuple of `outputs`.

    Graph mode reads source, so the module is written to `file` (default: a folder that goes with
    the process). Parameters are named by their paths and start from `weights`, or from `seed`.
    """
    prepare()
    text = source(graph, outputs)
    path = file or _folder() / f"{graph.name}_{hashlib.sha256(text.encode()).hexdigest()[:12]}.py"
    path.write_text(text, encoding="utf-8")
    module = _module(path)
    quiet_exit(module.ms)
    cell = module.Model()
    if weights is not None:
        require_fit(graph, weights)
    start = weights if weights is not None else initial(graph, seed)
    if outputs:  # what comes after them is not there, nor are its weights
        graph = part_of(graph, outputs)
        start = {info.path: start[info.path] for info in graph.params}
    write(cell, graph, start)
    set_randomness(cell, graph, seed)
    return cell


def set_randomness(cell: Any, graph: Graph, seed: int = 0) -> None:
    """Give each drop-path cell its rate, and it and each dropout the key that makes its draws its own."""
    from mindspore import Tensor

    parameters = cell.parameters_dict()
    for node in _random(graph):
        if (name := mindspore_name(node, "rate")) in parameters:
            rate: float = getattr(node.op, "rate")  # noqa: B009
            parameters[name].set_data(Tensor(np.float32(rate)))
        if (name := mindspore_name(node, "noise.key")) in parameters:
            random: Any = np.random.default_rng([seed, zlib.crc32(node.path.encode())])
            key = random.integers(1, 23143, (2, 2)).astype(np.int32)
            parameters[name].set_data(Tensor(key))


def set_random_step(cell: Any, graph: Graph, step: int) -> None:
    """Let dropout and drop path draw what they draw after `step` training steps."""
    from mindspore import Tensor

    parameters = cell.parameters_dict()
    for node in _random(graph):
        if (name := mindspore_name(node, "noise.step")) in parameters:
            parameters[name].set_data(Tensor(np.int32(step)))


def _random(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.op.random]


def _module(path: Path) -> Any:
    name = f"cmt_generated_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cmt-dsl-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
