"""Pixels as a small data: URL, for pages that load nothing."""

from __future__ import annotations

import base64
import io

from runtime.array import Array

LOSSLESS = 48  # pixels of the longer side up to which PNG is small


def data_url(pixels: Array, longest: int) -> str:
    """uint8 [h, w, 3], made smaller if a side is above `longest`, as PNG up to LOSSLESS pixels, else as JPEG."""
    from PIL import Image
    from PIL.Image import Resampling

    image = Image.fromarray(pixels)
    image.thumbnail((longest, longest), Resampling.LANCZOS)
    small = max(image.size) <= LOSSLESS
    out = io.BytesIO()
    if small:
        image.save(out, "PNG", optimize=True)
    else:
        image.save(out, "JPEG", quality=82)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"
