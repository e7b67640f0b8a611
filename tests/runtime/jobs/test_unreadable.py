"""Images that workers could not read, told once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from cmt_dsl.errors import CmtError
from runtime.data.source import Bad
from runtime.jobs.left_out import LeftOut
from runtime.jobs.world import World


@dataclass
class Store:
    """As much of a source as is asked."""

    bad: list[Bad]


@dataclass(frozen=True)
class Two(World):
    """A worker whose neighbour has met `theirs`."""

    size: int = 2
    theirs: tuple[dict[str, str], ...] = ()

    def everyone(self, value: Any) -> list[Any]:
        return [value, list(self.theirs)]


A, B, C = (Bad(f"train/{name}.jpg", "the file is empty") for name in "abc")


def test_alone_it_is_what_the_source_met() -> None:
    source = Store([])
    left_out = LeftOut(source, most=3)  # type: ignore[arg-type]
    assert left_out.news() == []
    source.bad += [A, B]
    assert left_out.news() == [A, B] and left_out.news() == [] and left_out.all == [A, B]


def test_of_two_workers_each_image_counts_once() -> None:
    source, world = Store([A]), Two(theirs=(vars(B), vars(A)))
    left_out = LeftOut(source, world, most=2)  # type: ignore[arg-type]
    assert left_out.news() == [A, B] and left_out.news() == []
    source.bad.append(B)  # in another epoch it was dealt to this worker
    assert left_out.news() == []
    left_out.world = replace(world, theirs=(vars(C),))
    with pytest.raises(CmtError, match=r"c.jpg: the file is empty \(bad image 3, data.max_bad is 2\)"):
        left_out.news()
