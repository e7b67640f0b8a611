"""Time and memory of finding an image folder's files, of a made split, and of what a resumed run compares.

    python benchmarks/folder.py --images 200000 --classes 1000

The files are made in a temporary folder, one byte each and of names like ImageNet's; the second reading is shown too.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def make(root: Path, images: int, classes: int) -> None:
    """images / classes files in each of root/train/n00000001 and so on, one in each of root/val."""
    for split, count in (("train", images // classes), ("val", 1)):
        for number in range(classes):
            folder = root / split / f"n{number:08d}"
            folder.mkdir(parents=True)
            for image in range(count):
                (folder / f"n{number:08d}_{image:05d}.JPEG").write_bytes(b"x")


def measure(root: Path) -> None:
    """One line: seconds of each step and the memory it left."""
    from runtime.data.source import View, open_source
    from runtime.data.splitting import hold_out
    from runtime.recipe.augment import AugmentGroup

    view, still = View(3, 224, 224, 0.875), AugmentGroup(crop=None, flip=0.0)
    before, began = memory(), time.perf_counter()
    source = open_source(str(root), view, augment=still)
    found, after = time.perf_counter(), memory()
    _ = source.identity
    known = time.perf_counter()
    stored = source.stored["train"]  # pyright: ignore[reportAttributeAccessIssue]
    hold_out(stored.paths, np.asarray(stored.labels), 0.1, 0, "here")
    split = time.perf_counter()
    open_source(str(root), view)
    print(
        f"{source.train_size:,} images: found in {found - began:.2f} s and {(after - before) / 2**20:.0f} MiB, "
        f"identity {known - found:.2f} s ({1e6 * (known - found) / source.train_size:.1f} µs an image), "
        f"split {split - known:.2f} s, opened to validate in {time.perf_counter() - split:.2f} s"
    )


def memory() -> int:
    """Peak bytes of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Make the files, then measure twice, each in a process of its own."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--images", type=int, default=200_000)
    options.add_argument("--classes", type=int, default=1000)
    options.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.measure:
        measure(given.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), given.images, given.classes)
        for _ in range(2):
            subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    main()
