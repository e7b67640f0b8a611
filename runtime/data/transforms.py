"""MindSpore's C++ operators for image files, and the numbers that normalise them."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.data.source import View
from runtime.recipe.schema import AugmentGroup

MEAN, STD = (
    (0.485 * 255, 0.456 * 255, 0.406 * 255),
    (0.229 * 255, 0.224 * 255, 0.225 * 255),
)  # ImageNet, 0..255
LUMA = (0.299, 0.587, 0.114)
FILL = (round(MEAN[0]), round(MEAN[1]), round(MEAN[2]))  # where a moved image leaves nothing


def grey(images: np.ndarray) -> np.ndarray:
    """Normalised [n, 3, h, w] to normalised luminance [n, 1, h, w]."""
    luma, std = np.array(LUMA, dtype=np.float32), np.array(STD, dtype=np.float32)
    shades = np.einsum("nchw,c->nhw", images, luma * std) / (luma @ std)
    return np.ascontiguousarray(shades[:, None])


def train_operators(view: View, augment: AugmentGroup) -> list[Any]:
    """Decoding, crop, flip and affine: file content to uint8 [h, w, 3]."""
    from mindspore.dataset import vision
    from mindspore.dataset.vision import Inter

    size = (view.height, view.width)
    if augment.crop is not None:
        scale, ratio = tuple(augment.crop.scale), tuple(augment.crop.ratio)
        operators: list[Any] = [vision.RandomCropDecodeResize(size, scale, ratio, Inter.BICUBIC)]
    else:
        operators = [vision.Decode(), vision.Resize(size, Inter.BICUBIC)]
    if augment.flip > 0:
        operators.append(vision.RandomHorizontalFlip(augment.flip))
    if augment.rotate > 0 or augment.shift > 0:
        shift = (-augment.shift, augment.shift, -augment.shift, augment.shift)
        operators.append(vision.RandomAffine(augment.rotate, shift, resample=Inter.BILINEAR, fill_value=FILL))
    return operators


def eval_operators(view: View) -> list[Any]:
    """Decoding, resizing and centre crop: file content to uint8 [h, w, 3]."""
    from mindspore.dataset import vision
    from mindspore.dataset.vision import Inter

    size = (view.height, view.width)
    if view.height == view.width:  # the shorter side; the other keeps its proportion
        resized: Any = int(view.height / view.eval_crop)
    else:
        resized = (int(view.height / view.eval_crop), int(view.width / view.eval_crop))
    return [vision.Decode(), vision.Resize(resized, Inter.BICUBIC), vision.CenterCrop(size)]
