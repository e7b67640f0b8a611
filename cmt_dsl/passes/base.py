"""What a pass is, and how passes are run: verified between, each match recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Array, Graph, Node, Program, Surgery


@dataclass(frozen=True)
class Match:
    """A place where a pass could change something: its nodes by path, the one that would change first."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """Why a match is left as it is, in words that follow its path."""

    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a match: `done` with what was done, or not with the reason."""

    by: str
    path: str
    done: bool
    words: str

    def __str__(self) -> str:
        return (
            f"{self.by}: {self.path}: {self.words}"
            if self.done
            else f"{self.by}: {self.path} stays: {self.words}"
        )


class Pass(ABC):
    """`Program -> Program` for inference: the numbers stay as they are, up to rounding.

    A subclass names itself, finds its matches in the graph as the pass meets it, and carries each out or says why not.
    """

    name: ClassVar[str]

    @abstractmethod
    def matches(self, graph: Graph) -> Iterator[Match]:
        """The places to look at, in the order of the nodes."""

    @abstractmethod
    def carry_out(self, match: Match, site: Site) -> str | Refusal:
        """Change the program at a match; what was done in words, or why nothing was. A refusal changes nothing."""


class Site:
    """The program under change, as earlier matches left it."""

    def __init__(self, program: Program) -> None:
        self.surgery = Surgery(program.graph)
        self.weights: dict[str, Array] = dict(program.weights)

    def node(self, path: str) -> Node:
        """A node as it is now."""
        return self.surgery.node(path)

    def weight(self, node: Node, name: str) -> Array:
        """A parameter of a node."""
        return self.weights[f"{node.path}.{name}"]

    def only_reader(self, path: str, reader: str) -> bool:
        """Whether `reader` alone sees a value: no other node, and no output."""
        others = [node.path for node in self.surgery.readers(path) if node.path != reader]
        return not others and path not in self.surgery.outputs.values()


def run(program: Program, passes: Sequence[Pass] | Iterable[Pass]) -> tuple[Program, list[Outcome]]:
    """The passes in order, and what each did at each match. CMT-304 names the pass that left no program.

    Weights are in float64 while passes run and are rounded once, at the end, whatever number of passes changed them.
    """
    outcomes: list[Outcome] = []
    passes, given = list(passes), program.weights
    if passes:
        wide = {path: value.astype(np.float64, copy=False) for path, value in given.items()}
        program = program.changed(program.graph, wide)
    for each in passes:
        site = Site(program)
        try:
            for match in each.matches(program.graph):
                said = each.carry_out(match, site)
                done = not isinstance(said, Refusal)
                words = said if isinstance(said, str) else said.reason
                outcomes.append(Outcome(each.name, match.nodes[0], done, words))
            program = program.changed(site.surgery.done(), site.weights)
            program.check()
        except CmtError as error:
            problem = error.problems[0]
            message = f"the pass {each.name} left no program: {problem.message} [{problem.code}]"
            raise CmtError(
                "CMT-304", message, path=problem.path, hint="that is a defect of the pass"
            ) from error
    return (program.changed(program.graph, _rounded(program, given)) if passes else program), outcomes


def _rounded(program: Program, given: Mapping[str, Array]) -> dict[str, Array]:
    """The weights as precise as they were; what is new, as precise as the most precise of them."""
    kinds = {path: value.dtype for path, value in given.items()}
    usual = np.result_type(*kinds.values()) if kinds else np.dtype(np.float32)
    with np.errstate(over="ignore"):  # a number too large for the type is infinite in it
        return {
            path: value.astype(kinds.get(path, usual), copy=False) for path, value in program.weights.items()
        }
