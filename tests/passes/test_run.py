"""The runner: what it checks between passes, and what it says of a pass that breaks a program."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from cmt_dsl import Graph, build, load
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Program
from cmt_dsl.ops import make
from cmt_dsl.passes import TRAIN, Match, Pass, Refusal, run
from cmt_dsl.passes.base import Site
from cmt_dsl.weights.initial import initial

GRAPH = build(load("cmt_nano"))
PROGRAM = Program.of(GRAPH, initial(GRAPH, 0))


class Head(Pass):
    """Looks at the last node."""

    name = "head"

    def matches(self, graph: Graph) -> Iterator[Match]:
        yield Match((graph.output.path,))


class Rewires(Head):
    name = "rewires"

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        site.surgery.put("head.fc", make("matmul", {"transpose_a": False, "transpose_b": False}), ["head.fc"])
        return "tried"


class Forgets(Head):
    name = "forgets"

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        del site.weights["head.fc.weight"]
        return "forgotten"


class Reshapes(Head):
    name = "reshapes"

    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        site.weights["head.fc.weight"] = np.zeros((3, 3))
        return "reshaped"


@pytest.mark.parametrize("broken", [Rewires, Forgets, Reshapes])
def test_the_pass_that_breaks_a_program_is_named(broken: type[Pass]) -> None:
    with pytest.raises(CmtError, match=f"the pass {broken.name} left no program") as caught:
        run(PROGRAM, [*TRAIN, broken()])
    assert caught.value.code == "CMT-304" and "head.fc" in str(caught.value)


def test_no_pass_changes_nothing() -> None:
    made, outcomes = run(PROGRAM, TRAIN)
    assert made is PROGRAM and outcomes == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop("head.fc.bias"), "missing head.fc.bias"),
        (lambda w: w.update(other=np.zeros(3)), "unexpected other"),
        (lambda w: w.update({"head.fc.bias": np.zeros(3)}), r"head.fc.bias has shape \(3,\), not \(10,\)"),
    ],
)
def test_a_program_has_exactly_its_weights(change: object, says: str) -> None:
    given = dict(PROGRAM.weights)
    change(given)  # type: ignore[operator]
    with pytest.raises(CmtError, match=says) as caught:
        Program.of(GRAPH, given)
    assert caught.value.code == "CMT-402"
