"""A model in a backend, as a child that serves: `python -m runtime.deploy.bench.worker`.

Its job: model (a spec's name or path, or a file of weights), size ([height, width] or null), backend, optimise, and
precision, batch and threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from importlib import metadata
from typing import Any

from runtime.deploy.bench.serve import Job, Unusable, Work, serve

MANY = 1000
"""Calls that a backend is told to expect: preparing for long is worth while."""


@contextlib.contextmanager
def in_backend(job: Job) -> Generator[Work, None, None]:
    """The model ready to compute in its backend; Unusable with the words of any CmtError."""
    import numpy as np

    from cmt_dsl.errors import CmtError
    from runtime.deploy.bench.subject import as_deployed, subject
    from runtime.infer.backend import backend, loaded

    precision: Any = job["precision"]
    try:
        by = backend(job["backend"])
        size = tuple(job["size"]) if job["size"] else None
        program = as_deployed(subject(job["model"], size)[1], by, job["optimise"])
        shape = (job["batch"], *program.graph.input.type.sizes)
        images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        with by.session("bench"):
            compute = loaded(
                by, program, precision=precision, threads=job["threads"], batch=job["batch"], batches=MANY
            )
            facts = {"device": by.device(), "version": _version(by.name)}
            yield Work(lambda: compute(images), facts)
    except CmtError as error:
        raise Unusable(f"{error.problems[0].message} [{error.code}]") from None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a backend of another name than its package
        return None


if __name__ == "__main__":
    serve(in_backend)
