"""What of deployment is here: the runtimes of exported models, where they can compute, and Ascend's compiler."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec

from runtime.device.isa import whole_instruction_set

INSTALL = "pip install 'cmt-dsl[deploy]' to export models and to compute by {}"


def runtimes() -> list[tuple[str, str, bool, str]]:
    """(name, what is here, whether it works, the fix) of onnx, ONNX Runtime, OpenVINO and ATC."""
    found = [
        _runtime(name, places)
        for name, places in (("onnx", None), ("onnxruntime", _providers), ("openvino", _devices))
    ]
    atc = shutil.which("atc")
    absent = "absent: cmt export --format om prints its command"
    return [*found, ("atc", atc or absent, True, "")]


def _runtime(name: str, places: Callable[[], list[str]] | None) -> tuple[str, str, bool, str]:
    if find_spec(name) is None:
        return name, "absent", False, INSTALL.format(name)
    try:
        importlib.import_module(name)
        where = f" on {', '.join(places())}" if places else ""
    except Exception as error:  # a broken wheel raises anything
        first = next(iter(str(error).splitlines()), type(error).__name__)
        return name, f"does not work: {first[:200]}", False, f"pip install --force-reinstall {name}"
    return name, f"{metadata.version(name)}{where}", True, ""


def _providers() -> list[str]:
    module = importlib.import_module("onnxruntime")
    # the one that would send a model elsewhere is no place of this machine
    return [
        each.removesuffix("ExecutionProvider")
        for each in module.get_available_providers()
        if "Azure" not in each
    ]


def _devices() -> list[str]:
    with whole_instruction_set():
        return list(importlib.import_module("openvino").Core().available_devices)
