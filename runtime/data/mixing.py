"""Targets of a batch: label smoothing, mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019), as timm does them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from runtime.array import Array
from runtime.data.order import generator
from runtime.recipe.augment import Mix

Box = tuple[int, int, int, int]


def soft_targets(labels: Array, classes: int, smoothing: float) -> Array:
    """[n] labels to [n, classes] probabilities; `smoothing` is spread evenly over all classes."""
    targets = np.full((len(labels), classes), smoothing / classes, dtype=np.float32)
    targets[np.arange(len(labels)), labels] += 1.0 - smoothing
    return targets


@dataclass(frozen=True)
class Mixture:
    """How a batch is mixed: `share` of each image and label stays, the rest comes from its partner.

    `box` (top, bottom, left, right) is what the partner's pixels replace; without a box the images are blended.
    """

    share: float
    box: Box | None = None


def draw_mixture(rng: np.random.Generator, mix: Mix, height: int, width: int) -> Mixture:
    """What timm's Mixup draws for a batch; a share of 1 leaves it as it is."""
    if rng.random() >= mix.mixup_prob:
        return Mixture(1.0)
    cuts = mix.mixup is None
    if mix.switch_prob is not None:
        cuts = rng.random() < mix.switch_prob
    alpha = mix.cutmix if cuts else mix.mixup
    assert alpha is not None
    share = float(rng.beta(alpha, alpha))
    return _cut(rng, share, height, width) if cuts else Mixture(share)


def _cut(rng: np.random.Generator, share: float, height: int, width: int) -> Mixture:
    """A box around a uniform centre, clipped to the image; the share is what the clipped box leaves."""
    side = math.sqrt(1 - share)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    dy, dx = int(height * side) // 2, int(width * side) // 2
    top, bottom = max(y - dy, 0), min(y + dy, height)
    left, right = max(x - dx, 0), min(x + dx, width)
    return Mixture(1 - (bottom - top) * (right - left) / (height * width), (top, bottom, left, right))


def mixed(images: Array, targets: Array, how: Mixture) -> tuple[Array, Array]:
    """Images [n, c, h, w] and targets [n, classes] after mixing; image i's partner is image n - 1 - i."""
    if how.share == 1.0:
        return images, targets
    share, rest = np.float32(how.share), np.float32(1 - how.share)
    targets = targets * share + targets[::-1] * rest
    if how.box is None:
        blend = np.empty_like(images)
        # one at a time stays in the cache
        for out, own, other in zip(blend, images, images[::-1], strict=True):
            np.multiply(own, share, out=out)
            out += other * rest
        return blend, targets
    top, bottom, left, right = how.box
    cut = images.copy()
    cut[:, :, top:bottom, left:right] = images[::-1, :, top:bottom, left:right]
    return cut, targets


def mixed_batch(
    images: Array, targets: Array, mix: Mix | None, seed: int, epoch: int, step: int
) -> tuple[Array, Array]:
    """`mixed` by what (seed, epoch, step) draws; as given without `mix`."""
    if mix is None:
        return images, targets
    rng = generator("mixing", seed, epoch, step)
    return mixed(images, targets, draw_mixture(rng, mix, *images.shape[2:]))
