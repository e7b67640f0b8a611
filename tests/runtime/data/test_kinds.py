"""Which files are images: what this Pillow writes and reads itself, by every ending that it lists."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from runtime.data.image.decoding import picture
from runtime.data.stores.kinds import FIXES, UNREAD, ending, endings, formats, is_image, listed
from tests.runtime.data.made import smooth

Image.init()


def writable() -> list[str]:
    """Formats that are read here and that Pillow can also write from a colour picture."""
    found = []
    for name in formats():
        try:
            smooth(1, 32, 24).save(io.BytesIO(), name)
        except Exception:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("kind", writable())
def test_what_pillow_writes_is_read_as_it_reads_it(kind: str) -> None:
    out = io.BytesIO()
    smooth(1, 32, 24).save(out, kind)
    with Image.open(io.BytesIO(out.getvalue())) as image:
        expected = image.convert("RGB")
    np.testing.assert_array_equal(np.asarray(picture(out.getvalue(), 32)), np.asarray(expected))


def test_the_kinds_that_people_have() -> None:
    assert {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA", "ICO"} <= set(writable())
    names = ["a.jfif", "a.JPE", "a.b.jp2", "ä.Tga", "x.pbm", "x.apng", "x.jpeg"]
    assert all(map(is_image, names)) and not any(
        map(is_image, ["jpg", ".jpg", "a.txt", "a.jpg~", "a.pdf", "a.eps"])
    )
    assert not set(formats()) & UNREAD and formats()[:2] == ("JPEG", "PNG") and formats()[-1] == "TGA"
    known = Image.registered_extensions()
    assert {e for e, kind in known.items() if kind in formats()} == endings()


def test_what_is_left_out_is_told_by_number_and_pictures_first() -> None:
    assert [ending(n) for n in ("a.TXT", "a", ".hidden", "a.b.C", "a.")] == [".txt", "", "", ".c", "."]
    told = listed({".txt": 2_000, ".heic": 3, "": 1})
    assert told == (
        f"3 .heic (Pillow does not read them here: {FIXES['.heic']}), 2,000 .txt, 1 without ending"
    )
    assert (
        listed({f".{n}": n for n in range(1, 9)})
        == "8 .8, 7 .7, 6 .6, 5 .5, 4 .4, 3 .3, 3 of 2 other endings"
    )
