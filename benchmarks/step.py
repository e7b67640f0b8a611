"""Training step, inference, first step and peak memory of a CMT, ours beside its peers, interleaved."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = ("first_step", "train_step", "inference", "peak_mb")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="cmt_s")
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--steps", type=int, default=5)
    options.add_argument("--rounds", type=int, default=1, help="how often each contender runs, in turn")
    options.add_argument("--profile", default="official", help="profile of our model")
    options.add_argument("--torch", type=Path, help="a checkout of the official PyTorch code")
    options.add_argument("--torch-python", default=sys.executable)
    options.add_argument("--mindcv", type=Path, help="a checkout of MindCV")
    options.add_argument("--json", type=Path, help="write the figures here too")
    args = options.parse_args()

    contenders = {"cmt-dsl": [sys.executable, HERE / "workers" / "ours.py", args.profile]}
    if args.mindcv:
        contenders["mindcv"] = [sys.executable, HERE / "workers" / "mindcv_peer.py", args.mindcv]
    if args.torch:
        contenders["pytorch"] = [args.torch_python, HERE / "workers" / "torch_peer.py", args.torch]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _ in range(args.rounds):
        for name, command in contenders.items():
            runs[name].append(measure([*command, args.model, args.batch, args.steps]))
            print(name, json.dumps(runs[name][-1]), file=sys.stderr, flush=True)
    figures = {n: {c: statistics.median(r[c] for r in found) for c in COLUMNS} for n, found in runs.items()}
    table(figures, args)
    if args.json:
        args.json.write_text(json.dumps({"options": vars(args), "figures": figures}, indent=2, default=str))


def measure(command: list[object]) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": str(os.cpu_count())}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[1]} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(figures: dict[str, dict[str, float]], args: argparse.Namespace) -> None:
    print(
        f"{args.model}, batch {args.batch}, float32, CPU, {os.cpu_count()} cores, {args.rounds} × {args.steps} steps"
    )
    print(f"{'':10}" + "".join(f"{c:>14}" for c in COLUMNS) + f"{'train img/s':>14}")
    for name, row in figures.items():
        cells = "".join(f"{row[c]:>14.0f}" if c == "peak_mb" else f"{row[c]:>12.3f} s" for c in COLUMNS)
        print(f"{name:10}{cells}{args.batch / row['train_step']:>14.2f}")
    ours = figures["cmt-dsl"]
    for name, row in figures.items():
        if name != "cmt-dsl":
            ratios = "".join(f"{ours[c] / row[c]:>13.2f}×" for c in COLUMNS)
            print(f"{'ours / ' + name:10}{ratios:>56}")


if __name__ == "__main__":
    main()
