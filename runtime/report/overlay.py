"""A heat map laid over its image: red where a position adds to the logit, blue where it takes away."""

from __future__ import annotations

import numpy as np

from runtime.array import Array

WARM, COLD = (226.0, 52.0, 20.0), (32.0, 84.0, 220.0)
OPAQUE = 0.72  # of the strongest position
LEAST_SIDE = 224  # pixels to which small images are enlarged, so that the map can be seen


def enlarged(seen: Array) -> Array:
    """uint8 [h, w, 3] by a whole number, pixels kept square, until its shorter side is LEAST_SIDE or more."""
    times = max(1, -(-LEAST_SIDE // min(seen.shape[:2])))
    return seen.repeat(times, axis=0).repeat(times, axis=1)


def overlay(seen: Array, heat: Array, strongest: float) -> Array:
    """uint8 [h, w, 3] under the map [h', w'], enlarged bilinearly; |heat| = `strongest` is the fullest colour."""
    from PIL import Image
    from PIL.Image import Resampling

    share = np.clip(heat / strongest, -1, 1) if strongest > 0 else np.zeros_like(heat)
    size = (seen.shape[1], seen.shape[0])
    wide = np.asarray(Image.fromarray(share.astype(np.float32)).resize(size, Resampling.BILINEAR))[..., None]
    # grey, for colours would mix with the map's
    grey = seen.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    colour = np.where(wide > 0, np.asarray(WARM, np.float32), np.asarray(COLD, np.float32))
    alpha = np.abs(wide) * OPAQUE
    mixed = grey[..., None] * (1 - alpha) + colour * alpha
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
