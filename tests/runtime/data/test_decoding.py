"""Bytes of any image to an upright RGB picture, or one error that says why not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runtime.data.image.decoding import MOST_PIXELS, Unreadable, picture
from tests.runtime.data.made import encoded, smooth


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM"])
def test_kinds(kind: str) -> None:
    shown = picture(encoded(smooth(1), kind), 32)
    assert (shown.mode, shown.size) == ("RGB", (53, 37))
    assert abs(np.asarray(shown).astype(int) - np.asarray(smooth(1))).mean() < 12  # GIF has 256 colours


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "1"),
        ("PNG", "P"),
        ("PNG", "LA"),
        ("PNG", "RGBA"),
        ("TIFF", "CMYK"),
    ],
)
def test_modes_keep_their_colours(kind: str, mode: str) -> None:
    source = smooth(2).convert(mode) if mode != "LA" else smooth(2).convert("L").convert("LA")
    expected = np.asarray(source.convert("RGB"))
    shown = picture(encoded(source, kind), 32)
    assert shown.mode == "RGB" and abs(np.asarray(shown).astype(int) - expected).mean() < 4


def test_alpha_and_transparent_palettes_are_dropped_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    image = smooth(3).convert("RGBA")
    image.putalpha(40)
    np.testing.assert_array_equal(np.asarray(picture(encoded(image, "PNG"), 32)), np.asarray(smooth(3)))
    palette = smooth(3).convert("P")
    seen = picture(encoded(palette, "PNG", transparency=bytes([0] * 128 + [255] * 128)), 32)
    np.testing.assert_array_equal(np.asarray(seen), np.asarray(palette.convert("RGB")))
    assert not recwarn.list


def test_sixteen_bits_are_not_all_white() -> None:
    ramp = np.linspace(0, 65535, 40 * 50).astype(np.uint16).reshape(40, 50)
    shown = np.asarray(picture(encoded(Image.fromarray(ramp), "PNG"), 32))
    np.testing.assert_array_equal(shown, np.repeat((ramp >> 8).astype(np.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_upright(kind: str, turn: int) -> None:
    from PIL import ImageOps

    image, exif = smooth(4), Image.Exif()
    exif[0x0112] = turn
    content = encoded(image, kind, exif=exif)
    shown = np.asarray(picture(content, 32)).astype(int)
    stored = smooth(4) if kind == "PNG" else picture(encoded(image, kind), 32)
    stored.getexif()[0x0112] = turn
    expected = np.asarray(ImageOps.exif_transpose(stored))
    assert shown.shape == expected.shape and abs(shown - expected).max() <= 2
    assert shown.shape[:2] == ((53, 37) if turn >= 5 else (37, 53))


def test_the_first_picture_of_several() -> None:
    many = encoded(smooth(1), "MPO", save_all=True, append_images=[smooth(2)])
    one = encoded(smooth(1), "JPEG")
    assert abs(np.asarray(picture(many, 32)).astype(int) - np.asarray(picture(one, 32))).max() <= 2
    many = encoded(smooth(1), "WEBP", save_all=True, append_images=[smooth(2)], lossless=True)
    np.testing.assert_array_equal(np.asarray(picture(many, 32)), np.asarray(smooth(1)))


def test_damaged_exif_is_ignored() -> None:
    assert picture(encoded(smooth(5), "JPEG", exif=b"Exif\x00\x00MM\x00*garbage"), 32).size == (53, 37)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_no_truncated_file_passes(kind: str) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
    data = encoded(image, kind)
    for size in [0, 1, 2, 3, 9, 10, *range(11, len(data) - 2, 37)]:
        with pytest.raises(Unreadable):
            picture(data[:size], 32)


def test_what_is_no_image_says_so() -> None:
    with pytest.raises(Unreadable, match="the file is empty"):
        picture(b"", 32)
    with pytest.raises(Unreadable, match="not an image of a kind that is read"):
        picture(b"Thumbs, not an image at all", 32)
    with pytest.raises(Unreadable, match=r"a HEIC image, .*: pip install pillow-heif"):
        picture(b"\0\0\0\x18ftypmif1" + bytes(40), 32)
    rng = np.random.default_rng(0)
    for size in (1, 20, 600, 5000):  # formats without a mark take nothing for a picture
        for junk in (rng.bytes(size), bytes(size), b"x, y\n" * size, b"\xff" * size):
            with pytest.raises(Unreadable):
                picture(junk, 32)
    with pytest.raises(Unreadable, match="floating point"):
        picture(encoded(Image.new("F", (4, 4)), "TIFF"), 32)


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    header = bytearray(encoded(Image.new("1", (8, 8)), "BMP"))
    header[18:26] = (40_000).to_bytes(4, "little") * 2
    assert MOST_PIXELS < 40_000**2
    with pytest.raises(Unreadable, match="40000 x 40000 pixels"):
        picture(bytes(header), 32)


def test_a_huge_jpeg_is_decoded_small(recwarn: pytest.WarningsRecorder) -> None:
    shown = picture(encoded(Image.new("RGB", (12_000, 9_000), "red"), "JPEG"), 224)
    assert shown.size == (1500, 1125) and shown.getpixel((700, 500)) == (254, 0, 0)
    assert not recwarn.list  # of Pillow's about decompression bombs
    assert picture(encoded(smooth(6, 900, 700), "JPEG"), 224).size == (
        900,
        700,
    )  # ordinary ones are as they are
