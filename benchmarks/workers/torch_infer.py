"""The official PyTorch code, as a child that serves (`runtime/deploy/bench/serve.py`).

Its job: mode (eager, compile, frozen: compiled with its weights as constants, or matmul: a product of two matrices
alone), checkout, model, size, and precision, batch and threads. Eager takes the memory format that is faster here;
bfloat16 is autocast's. For weights that are constants Inductor packs them, as the other runtimes do.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Generator
from pathlib import Path

import torch
from official import official

from runtime.deploy.bench.serve import Job, Unusable, Work, serve

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
SIZES = (1024, 2048, 4096)
ENOUGH = 0.04  # seconds of a product from which a larger one is not tried


@contextlib.contextmanager
def prepared(job: Job) -> Generator[Work, None, None]:
    torch.set_num_threads(job["threads"])
    if job["precision"] not in DTYPES:
        raise Unusable(f"this worker does not compute in {job['precision']}")
    dtype = DTYPES[job["precision"]]
    version = {"version": torch.__version__, "device": "CPU"}
    with torch.inference_mode(job["mode"] in ("eager", "matmul")), torch.no_grad():
        if job["mode"] == "matmul":
            call, facts = product(dtype)
            yield Work(call, facts | version)
            return
        autocast = torch.autocast("cpu", dtype) if dtype != torch.float32 else contextlib.nullcontext()
        network = getattr(official(Path(job["checkout"])), job["model"])(img_size=job["size"]).eval()
        images = torch.randn(job["batch"], 3, job["size"], job["size"])
        with autocast:
            if job["mode"] == "eager":
                formats = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
                calls = {
                    name: computing(network, images, form) for name, form in formats.items()
                }  # the second leaves the network as it was
                yield Work(*faster(calls, version))
            else:
                import torch._inductor.config as inductor

                inductor.freezing = job["mode"] == "frozen"
                compiled = torch.compile(network)
                yield Work(lambda: compiled(images).float().numpy(), version)


def computing(
    network: torch.nn.Module, images: torch.Tensor, form: torch.memory_format
) -> Callable[[], object]:
    import copy

    own, given = copy.deepcopy(network).to(memory_format=form), images.to(memory_format=form)
    return lambda: own(given).float().numpy()


def faster(calls: dict[str, Callable[[], object]], facts: dict) -> tuple[Callable[[], object], dict]:
    times = {name: median(call) for name, call in calls.items()}
    best = min(times, key=times.__getitem__)
    return calls[best], {**facts, "form": best}


def product(dtype: torch.dtype) -> tuple[Callable[[], object], dict]:
    best = (0.0, 0, None)
    for size in SIZES:
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        into = torch.empty_like(a)
        seconds = median(lambda a=a, b=b, into=into: torch.matmul(a, b, out=into))
        best = max(best, (size**3 / seconds, size, (a, b, into)), key=lambda each: each[0])
        if seconds > ENOUGH:
            break
    _, size, (a, b, into) = best
    return lambda: torch.matmul(a, b, out=into), {"macs": size**3, "size": size}


def median(call: Callable[[], object], calls: int = 3) -> float:
    call()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


serve(prepared)
