"""What the statistics of the augmentations share: published settings, and a bound on means."""

from __future__ import annotations

import math

from runtime.recipe.augment import Erase, Mix, RandAugment

MIX = Mix(mixup=0.8, cutmix=1.0, mixup_prob=1.0, switch_prob=0.5)
ERASE = Erase(prob=0.25, area=[0.02, 1 / 3], aspect=[0.3, 10 / 3])
RANDOM = RandAugment(ops=2, prob=0.5, magnitude=9, std=0.5, increasing=True)
MOVES = {"rotate": 30, "shear_x": 0.3, "shear_y": 0.3, "translate_x": 0.45, "translate_y": 0.45}


def near(found: float, expected: float, deviation: float, n: int) -> bool:
    """Whether a mean of n values is within five standard errors of what is expected."""
    return abs(found - expected) < 5 * deviation / math.sqrt(n)
