"""Small image files and folders, made for tests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from runtime.data.open import open_source
from runtime.data.source import View
from runtime.recipe.augment import AugmentGroup, Crop
from runtime.recipe.schema import DataGroup

VIEW = View(channels=3, height=32, width=32, eval_crop=0.875)
STILL = AugmentGroup(crop=None, flip=0.0)
LIVELY = AugmentGroup(crop=Crop(scale=[0.08, 1.0], ratio=[0.75, 1.33]), flip=0.5, rotate=10, shift=0.05)


def smooth(seed: int, width: int = 53, height: int = 37) -> Image.Image:
    """A picture without sharp edges, so that JPEG and resizing change little."""
    small = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def make_folder(
    root: Path, train: int = 12, val: int = 5, classes: tuple[str, ...] = ("ant", "zebra")
) -> Path:
    """Files 000.jpg, … of each class; no two pictures are alike."""
    seed = 0
    for split, count in (("train", train), ("val", val)):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                seed += 1
                smooth(seed).save(root / split / name / f"{i:03d}.jpg", quality=95)
    return root


def opened(root: Path, augment: AugmentGroup | None = LIVELY, view: View = VIEW, **group: Any) -> Any:
    return open_source(str(root), view, augment=augment, group=DataGroup(**group))


def together(batches: Any) -> tuple[np.ndarray, np.ndarray]:
    """All real images and labels."""
    parts = list(batches)
    images = np.concatenate([part.images[: part.count] for part in parts])
    return images, np.concatenate([part.labels[: part.count] for part in parts])
