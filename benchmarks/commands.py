"""Wall time of the framework-free commands, medians over new processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = (["check", "cmt_b"], ["cost", "cmt_b"], ["show", "cmt_b"], ["list"])


def main(rounds: int = 7) -> None:
    times: dict[str, list[float]] = {" ".join(c): [] for c in COMMANDS}
    for _ in range(rounds):
        for command in COMMANDS:
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "runtime.cli", *command], check=True, stdout=subprocess.DEVNULL
            )
            times[" ".join(command)].append(time.perf_counter() - start)
    for name, found in times.items():
        print(f"cmt {name:14} {statistics.median(found):.3f} s (worst {max(found):.3f} s of {rounds})")


if __name__ == "__main__":
    main()
