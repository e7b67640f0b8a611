"""Accuracy of cmt_nano on the digits by one process and by several workers, with the same global batch.

python benchmarks/two_workers.py [--workers 2] [--epochs 40] [--seeds 0 1]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

GLOBAL_BATCH = 64


def accuracy(workers: int, epochs: int, seed: int, folder: Path) -> float:
    """Top-1 of the last epoch, in percent."""
    out = folder / f"{workers}-{seed}"
    sets = [f"train.batch={GLOBAL_BATCH // workers}", f"train.epochs={epochs}", f"train.seed={seed}"]
    words = ["train", "cmt_nano", "--recipe", "digits", "--data", "digits", "--out", str(out)]
    words += [word for edit in sets for word in ("--set", edit)]
    launch = ["launch", "--workers", str(workers), "--"] if workers > 1 else []
    subprocess.run([sys.executable, "-m", "runtime.cli", *launch, *words], check=True)
    return 100 * json.loads((out / "summary.json").read_text())["last_top1"]


def main() -> None:
    """Print one line a seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for seed in asked.seeds:
            one, many = (accuracy(n, asked.epochs, seed, Path(folder)) for n in (1, asked.workers))
            print(
                f"seed {seed}: 1 process {one:.2f} %, {asked.workers} workers {many:.2f} %, difference {many - one:+.2f}"
            )


if __name__ == "__main__":
    main()
