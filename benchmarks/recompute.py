"""What `train.recompute` costs and saves: a training step with and without it, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cmt_ti")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=["[]", "[stages.0, stages.1]"])
    options = parser.parse_args()
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    print("recompute | first step s | train step s | peak MB")
    for parts in options.parts:
        words = [
            "official",
            options.model,
            str(options.batch),
            str(options.steps),
            f"train.recompute={parts}",
        ]
        command = [sys.executable, str(HERE / "workers/ours.py"), *words]
        found = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
        row = json.loads(found.splitlines()[-1])
        print(
            f"{parts} | {row['first_step']:.1f} | {row['train_step']:.2f} | {row['peak_mb']:.0f}", flush=True
        )


if __name__ == "__main__":
    main()
