"""Images at rest, wherever they are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from runtime.array import Array

Content: TypeAlias = "bytes | Array"
"""An image file's bytes, or pixels uint8 [h, w, 3]."""


class Stored(Protocol):
    """The images of a split at rest. Reading raises ValueError or OSError for an image that cannot be read."""

    labels: Array
    """[n] int32"""

    def name(self, index: int) -> str:
        """What a person finds that image by."""
        ...

    def read(self, index: int) -> Content: ...

    def contents(self, indices: Array) -> Iterator[Callable[[], Content]]:
        """For each index in order: what reads it, in any thread."""
        ...

    def identity(self, index: int) -> tuple[str, int]:
        """What an image is known by when a run goes on, and its size in bytes; cheap, the image is not read."""
        ...


class InOrder:
    """`contents` of stores that read any image at any moment."""

    def read(self, index: int) -> Content:
        raise NotImplementedError

    def contents(self, indices: Array) -> Iterator[Callable[[], Content]]:
        return (functools.partial(self.read, int(index)) for index in indices)
