"""The product of two matrices, as a child that serves: what a processor computes at most. `python -m …bench.matmul`.

Its job: library (numpy, onnxruntime or openvino), precision (also int8) and threads. The second matrix is constant, as
weights are, so that a library may pack it. Of several sizes the fastest by rate is taken. A library that computes in
another precision than it was asked for is no measure and says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any

from runtime.deploy.bench.contender import Contender, worker
from runtime.deploy.bench.serve import Job, Unusable, Work, serve

Product = Callable[[], object]

SIZES = (1024, 2048, 4096)
TRIALS = 5
ENOUGH = 0.04
"""Seconds of a product from which a larger one is not tried: 2048 in float32 on two cores, more on many."""
NEEDS = {"numpy": ("numpy",), "onnxruntime": ("onnxruntime", "onnx"), "openvino": ("openvino",)}
COMPUTES = {
    "numpy": ("float32",),
    "onnxruntime": ("float32",),
    "openvino": ("float32", "float16", "bfloat16", "int8"),
}
HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "int8": "f32"}
EXECUTED = {"float32": ("f32",), "float16": ("f16",), "bfloat16": ("bf16",), "int8": ("u8", "i8")}
"""What OpenVINO's runtime model calls the precision of a product's inputs."""


def candidates(precisions: tuple[str, ...]) -> list[Contender]:
    """A child for each library that is installed and computes in a precision."""
    there = [name for name, needs in NEEDS.items() if all(importlib.util.find_spec(each) for each in needs)]
    return [
        Contender(
            "matrix product", name, precision, 1, 0, worker(__name__), {"library": name}, unlimited=True
        )
        for precision in precisions
        for name in there
        if precision in COMPUTES[name]
    ]


@contextlib.contextmanager
def product(job: Job) -> Generator[Work, None, None]:
    """The fastest of several sizes; its fact `macs` says of how many multiply-accumulates a call is."""
    make = {"numpy": _numpy, "onnxruntime": _onnxruntime, "openvino": _openvino}[job["library"]]
    best: tuple[float, int, Product] | None = None
    for size in SIZES:
        call = make(size, job["precision"], job["threads"])
        call()
        seconds = statistics.median(_timed(call) for _ in range(TRIALS))
        if best is None or size**3 / seconds > best[0]:
            best = (size**3 / seconds, size, call)
        if seconds > ENOUGH:
            break
    assert best is not None
    _, size, call = best
    version = getattr(import_module(job["library"]), "__version__", "")
    yield Work(call, {"macs": size**3, "size": size, "version": version})


def _timed(call: Product) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _square(size: int, seed: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).standard_normal((size, size), dtype=np.float32)


def _numpy(size: int, precision: str, threads: int) -> Product:
    import numpy as np

    a, b = _square(size, 0), _square(size, 1)
    into = np.empty_like(a)
    return lambda: np.matmul(a, b, out=into)


def _onnxruntime(size: int, precision: str, threads: int) -> Product:
    ort, onnx = import_module("onnxruntime"), import_module("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, [size, size]) for name in ("a", "c")]
    weight = onnx.numpy_helper.from_array(_square(size, 1), "b")
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "product", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    how = ort.SessionOptions()
    how.intra_op_num_threads, how.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(model.SerializeToString(), how, providers=["CPUExecutionProvider"])
    a = _square(size, 0)
    return lambda: session.run(None, {"a": a})


def _openvino(size: int, precision: str, threads: int) -> Product:
    import numpy as np

    ov = import_module("openvino")
    ops = import_module("openvino.opset13")
    a = ops.parameter([size, size], np.float32, name="a")
    left, right = a, ops.constant(_square(size, 1))
    if precision == "int8":
        left, right = (
            _quantised(ops, left, 256),
            _quantised(ops, right, 255),
        )  # u8 and i8, as its rewriting wants
    model = ov.Model([ops.matmul(left, right, False, False)], [a], "product")
    how = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = ov.Core().compile_model(model, "CPU", how)
    executed = _precisions(compiled)
    if executed not in EXECUTED[precision]:
        raise Unusable(f"OpenVINO computes {precision} products in {executed} on this processor")
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(_square(size, 0)))
    return request.infer


def _quantised(ops: Any, value: Any, levels: int) -> Any:
    import numpy as np

    low, high = (ops.constant(np.float32(bound)) for bound in (-4.0, 4.0))
    return ops.fake_quantize(value, low, high, low, high, levels)


def _precisions(compiled: Any) -> str:
    """Of the product's node as it is executed: the weaker word where there is none."""
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        kind = str(info["layerType"].astype(str)) if "layerType" in info else ""
        if kind in ("FullyConnected", "MatMul", "Gemm", "brgemm"):
            return str(info["runtimePrecision"].astype(str))
    return "no product of its own"


if __name__ == "__main__":
    serve(product)
