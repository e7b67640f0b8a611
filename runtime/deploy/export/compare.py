"""A file read back by its runtime and compared with the NumPy reference: nothing gets a name before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.deploy.export.job import Job, Staged
from runtime.deploy.export.packages import failures
from runtime.deploy.export.wish import Precision

BOUNDS: dict[Precision, float] = {"fp32": 1e-4, "fp16": 5e-3, "bf16": 4e-2, "int8": 1.0}
"""Largest difference that a file may have, as a share of max |logit|.

Int8 is judged by its top-1: here it shall but be no nonsense. The others were measured on all shipped models with random weights and statistics: 1.4e-6, 1.6e-3 and 2.2e-2 at most.
"""
LIKELY = 1e-6
"""Probabilities below it are not compared: their logarithm is made of rounding."""


@dataclass(frozen=True)
class Difference:
    """How far a file is from the reference, of max |logit|, and how that was found."""

    largest: float
    bound: float
    images: int
    by: str
    what: str = "random image"

    def text(self) -> str:
        """As the summary says it."""
        few = f"{self.images} {self.what}{'s' if self.images != 1 else ''}"
        return f"largest difference {self.largest:.1e} of max |logit| (allowed {self.bound:g}), {few} by {self.by}"


def verified(staged: Staged, job: Job, bound: float | None = None) -> Difference | None:
    """How much the file differs; None where nothing here computes it. CMT-852 beyond the bound, CMT-853 if it does not run.

    `bound` None is what the precision of the file may cost. A fixed batch is filled with the samples over and over.
    """
    if staged.opened is None:
        return None
    expected, samples = job.expected, job.samples
    job.tell(f"comparing with {staged.by} …", step=True)
    size = job.wish.batch or len(samples)
    rows = np.arange(-(-len(samples) // size) * size) % len(samples)
    with failures(f"{staged.by} does not compute what was written"):
        compute = staged.opened()
        given = np.concatenate([compute(samples[part]) for part in np.split(rows, len(rows) // size)])
    limit = bound if bound is not None else BOUNDS[job.precision]
    largest = difference(given, expected[rows], probabilities=job.wish.preprocess)
    if not largest <= limit:  # also where it is no number
        raise CmtError(
            "CMT-852",
            f"what was written computes something else: by {staged.by} it differs from the model by {largest:.1e} "
            f"of max |logit|, {limit:g} are allowed; nothing was kept",
            hint="--no-optimise, or --precision fp32; that is a defect where it says fp32",
        )
    what = "random image" if job.int8 is None else "training image"
    return Difference(largest, limit, len(samples), staged.by, what)


def difference(given: Array, expected: Array, *, probabilities: bool = False) -> float:
    """Largest difference from `expected` logits as a share of their largest; infinite where it is no number.

    Of probabilities it is that of their logarithms, which are logits but for one number an image.
    """
    wanted = expected.astype(np.float64)
    if given.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(wanted).max()) or 1.0
    found = given.astype(np.float64)
    if probabilities:
        shifted = wanted - wanted.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        if (found < 0).any() or not np.isfinite(found).all():
            return float("inf")
        likely = logs > np.log(LIKELY)
        found = np.where(likely, np.log(np.maximum(found, LIKELY / 1e6)), 0.0)
        wanted = np.where(likely, logs, 0.0)
    apart = float(np.abs(found - wanted).max())
    return apart / largest if np.isfinite(apart) else float("inf")
