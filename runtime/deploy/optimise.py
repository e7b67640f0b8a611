"""Folding a model for a runtime, and telling what became of it: rule by rule, and in figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_dsl import Graph, Model, build, cost, load
from cmt_dsl.diff.folded import folded_paths
from cmt_dsl.ir import Program
from cmt_dsl.passes import FORMS, Outcome, run
from cmt_dsl.weights.arbitrary import arbitrary
from runtime.checkpoint.kind import is_weights
from runtime.checkpoint.load import load_weights

_BLOCK = re.compile(r"(?<=\bblocks\.)\d+(?=\W|$)")


@dataclass(frozen=True)
class Figures:
    """What a graph costs, as far as folding changes it."""

    nodes: int
    parameters: int
    """Trained ones and running statistics."""
    macs: int
    """Of one image."""

    @classmethod
    def of(cls, graph: Graph) -> Figures:
        """Of a graph; the image is no node."""
        total = cost(graph).total
        return cls(len(graph.nodes) - 1, total.trainable + total.statistics, total.macs)


@dataclass(frozen=True)
class Told:
    """Outcomes that say the same of equal places of different blocks."""

    by: str
    done: bool
    paths: tuple[str, ...]
    """With ranges of blocks: `stages.2.blocks.0–15.attn.norm`."""
    count: int
    words: str
    """Of the first of them."""


@dataclass(frozen=True)
class Optimised:
    """A model before and after the passes of one flavour."""

    model: Model
    flavour: str
    before: Program
    after: Program
    outcomes: tuple[Outcome, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the passes in the order in which they ran, each once."""
        return tuple(dict.fromkeys(each.name for each in FORMS[self.flavour]))

    def count(self, rule: str, done: bool) -> int:
        """How often a rule did something, or refused to."""
        return sum(each.by == rule and each.done == done for each in self.outcomes)

    def told(self) -> list[Told]:
        """The outcomes in order; what differs in the numbers of blocks alone is told once."""
        groups: dict[tuple[str, bool, str, str], list[Outcome]] = {}
        for each in self.outcomes:
            key = each.by, each.done, _unnumbered(each.path), _unnumbered(each.words)
            groups.setdefault(key, []).append(each)
        return [
            Told(by, done, tuple(folded_paths(o.path for o in group)), len(group), group[0].words)
            for (by, done, _, _), group in groups.items()
        ]

    def json(self) -> dict[str, Any]:
        """Plain data for `--json`; nothing folded."""
        sides = {"before": self.before.graph, "after": self.after.graph}
        return {
            "model": self.model.name,
            "flavour": self.flavour,
            **{name: vars(Figures.of(graph)) for name, graph in sides.items()},
            "rules": {
                rule: {"done": self.count(rule, True), "refused": self.count(rule, False)}
                for rule in self.rules
            },
            "outcomes": [vars(each) for each in self.outcomes],
        }


def optimised(model: Model, program: Program, flavour: str = "plain") -> Optimised:
    """A program after the passes of a flavour."""
    after, outcomes = run(program, FORMS[flavour])
    return Optimised(model, flavour, program, after, tuple(outcomes))


def read(
    named: str, overrides: Sequence[str] = (), *, spec: str | None = None, which: str = "raw"
) -> tuple[Model, Program]:
    """A checkpoint with its weights, or a spec with arbitrary ones: folding asks for numbers, its result hardly does."""
    if is_weights(Path(named)):
        found = load_weights(Path(named), spec=spec, overrides=overrides, which=which)
        return found.model, found.program
    model = load(named, overrides=tuple(overrides))
    return model, with_arbitrary(model)


def with_arbitrary(model: Model) -> Program:
    """A model's graph with arbitrary weights, the same ones every time."""
    graph = build(model)
    return Program.of(graph, arbitrary(graph, 0))


def _unnumbered(text: str) -> str:
    """Words in which every block has the same number."""
    return _BLOCK.sub("*", text)
