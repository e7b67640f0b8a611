"""A MindSpore that is missing, of the wrong company or failing is one message, and its story is in the log."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cmt_dsl.errors import CmtError
from runtime.device.environment import mindspore, native_errors
from runtime.recipe.schema import DeviceGroup


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mindspore", raising=False)


def test_numpy_2_is_refused_before_it_crashes(without: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    monkeypatch.setattr(numpy, "__version__", "2.1.0")
    with pytest.raises(CmtError, match=r"does not work with NumPy 2\.1\.0") as found:
        mindspore()
    assert found.value.code == "CMT-704" and "numpy>=1.26,<2" in str(found.value)


def test_a_broken_mindspore_says_what_would_help(
    without: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mindspore").mkdir()
    (tmp_path / "mindspore/__init__.py").write_text("raise SystemError('libmindspore.so: cannot open')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CmtError, match="cannot open") as found:
        mindspore()
    assert found.value.code == "CMT-704" and "cmt doctor" in str(found.value)
    assert "mindspore" not in sys.modules


def test_what_mindspore_raises_is_one_line_and_a_log(tmp_path: Path) -> None:
    log = tmp_path / "mindspore.log"
    with pytest.raises(CmtError) as found, native_errors(log):
        raise RuntimeError("\nThe kernel failed.\n- C++ Call Stack\n...")
    assert found.value.code == "CMT-705"
    assert str(found.value).splitlines()[0].startswith("MindSpore failed: The kernel failed.")
    assert str(log) in str(found.value) and "C++ Call Stack" in log.read_text()


@pytest.mark.mindspore
def test_a_device_that_is_not_there() -> None:
    from runtime.device.environment import set_device

    with pytest.raises(CmtError) as found:
        set_device(DeviceGroup(target="Ascend"))
    assert found.value.code == "CMT-701" and "device.target=CPU" in str(found.value)
