"""What happens to one image between the disk and a batch, stage by stage; each is a function of (content, draw)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.data.image import jitter, randaugment
from runtime.data.image.decoding import picture
from runtime.data.image.erasing import erase_one
from runtime.data.image.transforms import FILL, eval_view, normalised, train_view
from runtime.data.order import generator
from runtime.data.source import View
from runtime.recipe.augment import AugmentGroup

Stages = list[tuple[str, Callable[[Any, int], Any]]]


def train_stages(view: View, augment: AugmentGroup, seed: int, epoch: int) -> Stages:
    """Bytes or pixels to a normalised, augmented [c, h, w]; the same (seed, epoch, draw) does the same anywhere.

    In timm's order: crop and flip, RandAugment, colour jitter, normalisation, erasing.
    """
    side, erase, random, colour = (
        max(view.height, view.width),
        augment.erase,
        augment.randaugment,
        augment.jitter,
    )
    stages: Stages = [
        ("decode", lambda content, draw: picture(content, side)),
        (
            "crop",
            lambda image, draw: train_view(image, view, augment, generator("view", seed, epoch, draw)),
        ),
    ]
    if random is not None:

        def randomly(image: Any, draw: int) -> Any:
            steps = randaugment.plan(generator("randaugment", seed, epoch, draw), random)
            return randaugment.carried_out(image, steps, FILL)

        stages.append(("randaugment", randomly))
    if colour is not None:

        def coloured(image: Any, draw: int) -> Any:
            return jitter.jittered(image, jitter.plan(generator("jitter", seed, epoch, draw), colour))

        stages.append(("jitter", coloured))
    stages.append(("normalise", lambda image, draw: normalised(image, view.channels)))
    if erase is not None and erase.prob > 0:

        def with_hole(image: Any, draw: int) -> Any:
            erase_one(image, erase, generator("erasing", seed, epoch, draw))
            return image

        stages.append(("erase", with_hole))
    return stages


def eval_stages(view: View) -> Stages:
    """Bytes or pixels to the normalised centre crop [c, h, w]."""
    side = max(view.height, view.width)
    return [
        ("decode", lambda content, draw: picture(content, side)),
        ("crop", lambda image, draw: eval_view(image, view)),
        ("normalise", lambda image, draw: normalised(image, view.channels)),
    ]


def through(stages: Stages, content: Any, draw: int) -> Any:
    """`content` after all stages."""
    for _, stage in stages:
        content = stage(content, draw)
    return content
