"""The bytes of an image file to an upright RGB picture, whatever kind of image it is; one error for what cannot be read.

Pillow decodes because it gives the same picture for the same bytes in any thread, releases the interpreter while it
works, and says what is wrong; MindSpore 2.10's decoder aborts the pipeline, dies on some headers and shows the rest of
a truncated JPEG as grey.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.array import Array
from runtime.data.stores.kinds import FIXES, formats

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 250_000_000  # three bytes each: what a worker may have to hold
ORIENTATION = 0x0112  # of EXIF
SIGNIFICANT = 4  # a JPEG is decoded at 1/2, 1/4 or 1/8 while its shorter side stays this often the view's


class Unreadable(ValueError):
    """An image that cannot be decoded; the message says why, without naming it."""


def picture(content: bytes | Array, side: int) -> Image:
    """An RGB picture from a file's bytes, or from pixels uint8 [h, w, 3]; `side` is the largest that will be shown.

    Grey, palette, CMYK and 16-bit images become 8-bit RGB, transparency is dropped (as timm and torchvision do), EXIF
    orientation is carried out, an animation gives its first frame. Raises Unreadable.
    """
    from PIL import Image, UnidentifiedImageError

    if not isinstance(content, bytes):
        return Image.fromarray(content)
    Image.MAX_IMAGE_PIXELS = None  # the check below takes its place: Pillow's warns at 90 million pixels
    try:
        with Image.open(io.BytesIO(content), formats=formats()) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise Unreadable(f"{width} x {height} pixels are more than {MOST_PIXELS:,}")
            image.draft(None, (SIGNIFICANT * side, SIGNIFICANT * side))
            return _upright(_rgb(image), image)
    except (Unreadable, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unreadable(_why(content)) from None
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise Unreadable(f"its content is damaged: {error}") from None


def _why(content: bytes) -> str:
    """What bytes are that no format of Pillow's owns to; phones write HEIC under the names of JPEG files."""
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return f"a HEIC image, which Pillow does not read here: {FIXES['.heic']}"
    return "not an image of a kind that is read" if content else "the file is empty"


def _rgb(image: Any) -> Image:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion shows all above 255 as white
        high = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
        return Image.fromarray(high.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise Unreadable("its pixels are floating point numbers, which have no agreed range")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


def _upright(image: Image, source: Any) -> Image:
    from PIL.Image import Transpose

    turn = 1
    if "exif" in source.info:
        with contextlib.suppress(Exception):  # damaged EXIF says nothing about the pixels
            turn = source.getexif().get(ORIENTATION, 1)
    moves = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(moves[turn]) if turn in moves else image
