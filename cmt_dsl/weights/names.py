"""Parameter names of other code bases, as data: `specs/names/*.yaml`, read in both directions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pydantic import Field

from cmt_dsl.errors import CmtError, did_you_mean
from cmt_dsl.ir import Graph
from cmt_dsl.spec.check import check
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import shipped, shown
from cmt_dsl.spec.schema import Name, Strict


class NamesSpec(Strict):
    """A name map file."""

    names: Name
    doc: str = ""
    stages: list[str] = Field(description="how the source counts stages")
    parameters: dict[Name, dict[Name, Name]] = Field(default_factory=dict)
    counters: dict[Name, Name] = Field(
        default_factory=dict,
        description="by operator: an integer beside its parameters, which nothing reads here",
    )
    modules: dict[str, str] = Field(description="our module paths to theirs")


@lru_cache(maxsize=8)
def name_map(source: str) -> NamesSpec:
    """A name map by the name of its source; raises CMT-101."""
    path = shipped() / "names" / f"{source}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise CmtError("CMT-101", f"there is no name map '{source}'", hint=did_you_mean(source, known))
    return check(read_file(path, shown(path)), NamesSpec)


def foreign_names(graph: Graph, source: str) -> dict[str, str]:
    """Path to the source's name, for every parameter; raises CMT-402 for one that has none."""
    spec = name_map(source)
    patterns = [(_pattern(ours), theirs) for ours, theirs in spec.modules.items()]
    found: dict[str, str] = {}
    for node in graph.nodes:
        for param in node.params:
            path = node.param_path(param)
            module = _translate(node.path, patterns, spec.stages)
            if module is None:
                raise CmtError("CMT-402", f"'{path}' has no name in '{source}'")
            last = spec.parameters.get(node.op.kind, {}).get(param.name, param.name)
            found[path] = f"{module}.{last}" if last else module
    return found


def counter_names(graph: Graph, source: str) -> dict[str, str]:
    """Path to the source's name, for the counters that it keeps beside parameters."""
    spec = name_map(source)
    patterns = [(_pattern(ours), theirs) for ours, theirs in spec.modules.items()]
    found: dict[str, str] = {}
    for node in graph.nodes:
        word = spec.counters.get(node.op.kind)
        module = _translate(node.path, patterns, spec.stages) if word else None
        if module is not None:
            found[f"{node.path}.{word}"] = f"{module}.{word}"
    return found


def own_path(name: str, source: str) -> str | None:
    """Our path for one of the source's names, without a graph; None for a name the map does not know."""
    spec = name_map(source)
    module, _, last = name.rpartition(".")
    words = {theirs: ours for table in spec.parameters.values() for ours, theirs in table.items()}
    for pattern, ours in _reversed(source):
        for whole, suffix in ((name, ""), (module, f".{words.get(last, last)}")):
            match = pattern.fullmatch(whole)
            if match:
                groups = match.groupdict()
                if "stage" in groups:
                    groups["stage"] = str(spec.stages.index(groups["stage"]))
                return ours.format(**groups) + suffix
    return None


@lru_cache(maxsize=8)
def _reversed(source: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    spec = name_map(source)
    stage = "|".join(map(re.escape, spec.stages))
    found: list[tuple[re.Pattern[str], str]] = []
    for ours, theirs in spec.modules.items():
        text = re.escape(theirs).replace(r"\{stage\}", f"(?P<stage>{stage})")
        found.append((re.compile(text.replace(r"\{block\}", r"(?P<block>\d+)")), ours))
    return tuple(found)


def _pattern(ours: str) -> re.Pattern[str]:
    text = re.escape(ours).replace(r"\{stage\}", r"(?P<stage>\d+)")
    return re.compile(text.replace(r"\{block\}", r"(?P<block>\d+)"))


def _translate(
    path: str, patterns: Sequence[tuple[re.Pattern[str], str]], stages: Sequence[str]
) -> str | None:
    for pattern, theirs in patterns:
        match = pattern.fullmatch(path)
        if match:
            groups = match.groupdict()
            if "stage" in groups:
                index = int(groups["stage"])
                if index >= len(stages):
                    return None
                groups["stage"] = stages[index]
            return theirs.format(**groups)
    return None
