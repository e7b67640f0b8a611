"""An ONNX file in ONNX Runtime or OpenVINO, as a child that serves (`runtime/deploy/bench/serve.py`).

Its job: library, files (of several, of the same model, the fastest is taken), size, and precision, batch and threads;
for OpenVINO also apart: each thread computes a share of the images by itself, as our backend has them do it.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np

from runtime.deploy.bench.serve import Job, Unusable, Work, serve

HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "int8": "f32"}
CAPABILITIES = {"float16": "FP16", "bfloat16": "BF16"}
TRIALS = 5


@contextlib.contextmanager
def opened(job: Job) -> Generator[Work, None, None]:
    image = np.random.default_rng(0).standard_normal((job["batch"], 3, job["size"], job["size"]), np.float32)
    load = {"onnxruntime": by_onnxruntime, "openvino": by_openvino}[job["library"]]
    best: tuple[float, str, Callable[[], object]] | None = None
    refused = []
    for file in job["files"]:
        try:
            call = load(file, image, job)
        except Unusable:
            raise
        except Exception as error:  # a library raises anything for a file that it cannot take
            refused.append(f"{Path(file).name}: {str(error).strip().splitlines()[0]}")
            continue
        call()
        seconds = median(call)
        if best is None or seconds < best[0]:
            best = (seconds, file, call)
    if best is None:
        raise Unusable("; ".join(refused))
    library = __import__(job["library"])
    facts = {"version": library.__version__.partition("-")[0], "device": "CPU", "form": Path(best[1]).stem}
    yield Work(best[2], facts)


def by_onnxruntime(file: str, image: np.ndarray, job: Job) -> Callable[[], object]:
    import onnxruntime

    if job["precision"] not in ("float32", "int8"):
        raise Unusable(f"ONNX Runtime does not compute a float32 model in {job['precision']} on a processor")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = job["threads"]
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: image})


def by_openvino(file: str, image: np.ndarray, job: Job) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    capability = CAPABILITIES.get(job["precision"])
    if capability and capability not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise Unusable(f"this processor does not compute in {job['precision']}")
    model = core.read_model(file)
    parts = job["threads"] if job.get("apart") else 1
    if len(image) % parts:
        raise Unusable(f"{len(image)} images are not shared out among {parts} threads")
    model.reshape([len(image) // parts, *image.shape[1:]])
    how = {
        "INFERENCE_PRECISION_HINT": HINTS[job["precision"]],
        "INFERENCE_NUM_THREADS": job["threads"],
        "PERFORMANCE_HINT": "LATENCY",
    }
    if parts == 1:
        compiled = core.compile_model(model, "CPU", how)
        return lambda: compiled(image)
    compiled = core.compile_model(
        model, "CPU", {**how, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": parts}
    )
    shares = [np.ascontiguousarray(share) for share in np.split(image, parts)]
    requests = [compiled.create_infer_request() for _ in shares]

    def call() -> np.ndarray:
        for request, share in zip(requests, shares, strict=True):
            request.start_async({0: share}, share_inputs=True)
        for request in requests:
            request.wait()
        return np.concatenate([request.get_output_tensor(0).data for request in requests])

    return call


def median(call: Callable[[], object]) -> float:
    times = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


serve(opened)
