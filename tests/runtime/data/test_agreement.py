"""Held-out images of some of the trained classes are a note, of others an error."""

from __future__ import annotations

import pytest

from cmt_dsl.errors import CmtError
from runtime.data.agreement import agree


def test_val_may_lack_classes_and_may_have_no_others() -> None:
    train = dict.fromkeys("abcdefgh", 3)
    assert agree("d", train, train) == ()
    assert agree("d", {**train, "empty": 0}, {**train, "empty": 0}) == ()
    assert agree("d", train, {"a": 1, "b": 0}) == (
        "7 of 8 classes have no held-out images: b, c, d, e, f, … (7 in all)",
    )
    for val in ({"x": 1}, {"a": 1, "x": 1}):
        with pytest.raises(
            CmtError, match=r"d: 1 class\(es\) in test/ but without images in fit/: x"
        ) as found:
            agree("d", train, val, ("fit", "test"))
        assert found.value.code == "CMT-502" and "put images into fit/" in found.value.problems[0].hint
    with pytest.raises(CmtError, match="without images in train/: h"):
        agree("d", {**train, "h": 0}, {"h": 1})
