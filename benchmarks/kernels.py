"""Cells on the CPU with compiled kernels and without: milliseconds forward, and forward and backward, interleaved."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CELLS = {
    "GELU erf": ("elementwise", "GeluErf", ()),
    "GELU tanh": ("elementwise", "GeluTanh", ()),
    "depthwise 3×3": ("maps", "DepthwiseConv", ("c", 3, True)),
    "depthwise 3×3 + x": ("maps", "DepthwiseConv", ("c", 3, True, 1, True)),
    "depthwise 7×7": ("maps", "DepthwiseConv", ("c", 7, True)),
    "layer norm": ("maps", "ChannelNorm", ("c", 1e-6)),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--shape", default="8,256,56,56", help="n,c,h,w of the map")
    options.add_argument("--times", type=int, default=7, help="calls in a round")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = options.parse_args()
    shape = tuple(int(size) for size in args.shape.split(","))
    if args.worker:
        print(json.dumps(measured(shape, args.times)))
        return
    runs: dict[str, list[dict[str, list[float]]]] = {"0": [], "1": []}
    for _ in range(args.rounds):
        for switch, found in runs.items():
            environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "CMT_KERNELS": switch}
            command = [
                sys.executable,
                __file__,
                "--worker",
                "--shape",
                args.shape,
                "--times",
                str(args.times),
            ]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr[-2000:])
            found.append(json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{args.shape}, {os.cpu_count()} cores, medians of {args.rounds} × {args.times}, ms: forward, forward + backward"
    )
    for name in CELLS:
        without, kernel = (
            [statistics.median(run[name][i] for run in runs[s]) for i in (0, 1)] for s in ("0", "1")
        )
        ratios = "".join(f"{a / b:8.1f}×" for a, b in zip(without, kernel, strict=True))
        print(f"{name:18}" + "".join(f"{1e3 * t:9.1f}" for t in (*without, *kernel)) + ratios)


def measured(shape: tuple[int, ...], times: int) -> dict[str, list[float]]:
    """Cell: median seconds forward, and with the gradients of its input and parameters."""
    import importlib

    import numpy as np

    from runtime.device.environment import mindspore

    ms = mindspore()
    ms.set_context(mode=ms.GRAPH_MODE)
    x = ms.Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    found: dict[str, list[float]] = {}
    for name, (file, kind, given) in CELLS.items():
        maker = getattr(importlib.import_module(f"cmt_dsl.lower.mindspore.cells.{file}"), kind)
        cell = maker(*(shape[1] if part == "c" else part for part in given))
        both = ms.value_and_grad(cell, 0, list(cell.trainable_params()) or None)
        found[name] = [
            median(lambda cell=cell: cell(x).asnumpy(), times),
            median(lambda both=both: last(both(x)), times),
        ]
    return found


def last(result: Any) -> None:
    """Wait for all of a result."""
    while isinstance(result, tuple):
        result = result[-1]
    result.asnumpy()


def median(call: Callable[[], Any], times: int) -> float:
    call()
    seconds: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
