"""Make the bytes of an image file safe for MindSpore's decoders.

MindSpore 2.10 dies of a floating point exception on a JPEG that ends inside its header, silently shows the rest of
a truncated one as grey, and does not know WebP.
"""

from __future__ import annotations

import io
import zlib

import numpy as np


def decodable(raw: np.ndarray) -> np.ndarray:
    """uint8 bytes of a file to bytes that decode: WebP becomes BMP. ValueError says what is wrong with the file."""
    data = raw.tobytes()
    if data[:2] == b"\xff\xd8":
        _require_whole_jpeg(data)
        return raw
    if is_webp(data):
        return _webp_to_bmp(data)
    if not data.startswith((b"\x89PNG\r\n\x1a\n", b"BM")):
        raise ValueError("not a JPEG, PNG, WebP or BMP image" if data else "the file is empty")
    if data[0] == 0x89:
        _require_whole_png(data)
    return raw


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _require_whole_jpeg(data: bytes) -> None:
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (
            0xC4,
            0xC8,
            0xCC,
        ):  # start of frame: height and width follow
            if 0 in (
                int.from_bytes(data[at + 5 : at + 7], "big"),
                int.from_bytes(data[at + 7 : at + 9], "big"),
            ):
                raise ValueError("the JPEG has no size")
            if data.rfind(b"\xff\xd9") < at:
                raise ValueError("the JPEG is truncated")
            return
        if marker == 0xDA:  # pixels before a frame header
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ValueError("the JPEG is truncated or has a damaged header")


def _require_whole_png(data: bytes) -> None:
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 8 + size
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError("the PNG is truncated or damaged")
        if kind == b"IEND":
            return
        at = end + 4
    raise ValueError("the PNG is truncated")


def _webp_to_bmp(data: bytes) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError:
        raise ValueError("WebP needs Pillow: pip install pillow") from None
    try:
        with Image.open(io.BytesIO(data)) as image:
            out = io.BytesIO()
            image.convert("RGB").save(out, "BMP")
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise ValueError(f"the WebP is damaged: {error}") from None
    return np.frombuffer(out.getvalue(), dtype=np.uint8)
