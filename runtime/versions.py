"""Versions of what numbers depend on."""

from __future__ import annotations

import platform
from importlib import metadata


def versions() -> dict[str, str]:
    """Of everything that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("cmt-dsl", "mindspore", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "checkout" if package == "cmt-dsl" else "missing"
    return found
