"""Scopes over changed nodes: what goes in, what comes out, and an order in which each is computed whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from cmt_dsl.errors import CmtError
from cmt_dsl.ir.graph import Node, Scope
from cmt_dsl.ir.paths import above
from cmt_dsl.ir.tensor import TensorType
from cmt_dsl.ir.verify import ROOT


class Order:
    """Scopes over live nodes: what goes in, what comes out, and an order in which each is computed whole."""

    def __init__(
        self,
        live: Mapping[str, Node],
        scopes: Mapping[str, Scope],
        place: Mapping[str, float],
        outputs: Mapping[str, str],
    ) -> None:
        self._live, self._place = live, place
        self.chain = {path: [p for p in above(path) if p in scopes] for path in live}
        readers: dict[str, list[str]] = {path: [] for path in live}
        for node in live.values():
            for read in node.inputs:
                readers[read].append(node.path)
        self.reads: dict[str, dict[str, None]] = {}
        leaving: dict[str, dict[str, None]] = {}
        for path in sorted(live, key=place.__getitem__):
            for scope in self.chain[path]:
                self.reads.setdefault(scope, {})
                outside = [r for r in readers[path] if scope not in self.chain[r]]
                if outside or path in outputs.values():
                    leaving.setdefault(scope, {})[path] = None
                for read in live[path].inputs:
                    if scope not in self.chain[read]:
                        self.reads[scope][read] = None
        self.output: dict[str, str] = {}
        for scope, values in leaving.items():
            first, *others = values
            if others:
                raise refused(scope, f"two values would leave it: {first} and {others[0]}")
            self.output[scope] = first

    def nodes(self) -> list[Node]:
        """In order: each scope in one piece, otherwise as near to the old order as can be."""
        inside: dict[str, list[str]] = {}
        for path, chain in self.chain.items():
            for at, item in zip([*chain, ROOT], [path, *chain], strict=True):
                members = inside.setdefault(at, [])
                if item not in members:
                    members.append(item)
        return list(self._sorted(ROOT, inside))

    def _sorted(self, scope: str, inside: Mapping[str, list[str]]) -> Iterator[Node]:
        items = inside[scope]
        own = set(items)
        first = {item: self._first(item) for item in items}
        waits = {item: {self._item(read, own) for read in self._needs(item)} - {None, item} for item in items}
        left = sorted(items, key=first.__getitem__)
        while left:
            ready = next((item for item in left if not waits[item] & set(left)), None)
            if ready is None:
                raise refused(left[0], f"it and {left[1]} would each wait for the other")
            left.remove(ready)
            if ready in self._live:
                yield self._live[ready]
            else:
                yield from self._sorted(ready, inside)

    def _first(self, item: str) -> float:
        if item in self._live:
            return self._place[item]
        return min(self._place[path] for path, chain in self.chain.items() if item in chain)

    def _needs(self, item: str) -> Iterable[str]:
        return self._live[item].inputs if item in self._live else self.reads[item]

    def _item(self, path: str, own: set[str]) -> str | None:
        """Which of the items `own` of a scope a value comes from, if from any."""
        return next((p for p in (path, *self.chain[path]) if p in own), None)

    def scoped(self, now: Mapping[str, Scope]) -> Iterator[Scope]:
        """The scopes that still hold nodes, with their inputs and outputs; stages that came to nothing stay."""
        for scope in now.values():
            if scope.path in self.output:
                inputs = tuple(_named(scope, self.reads[scope.path]))
                yield dataclasses.replace(scope, inputs=inputs, output=self.output[scope.path])
            elif scope.path not in self.reads and self._was_empty(scope):
                yield scope

    def _was_empty(self, scope: Scope) -> bool:
        """Whether it is another name of a value that still is there."""
        given = {path for _, path in scope.inputs}
        return scope.output in given and given <= self._live.keys()


def _named(scope: Scope, reads: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What a scope reads by name: the names it had, new ones after the nodes that are read."""
    wanted = dict.fromkeys(reads)
    taken = set[str]()
    for name, path in scope.inputs:
        if path in wanted:
            taken.add(name)
            yield name, path
    for path in wanted:
        if any(path == had for _, had in scope.inputs):
            continue
        parts = [part for part in path.split(".") if not part.isdecimal()]
        name = "x" if "x" not in taken and not scope.inputs else parts[-1]
        base, count = name, 2
        while name in taken:
            name, count = f"{base}{count}", count + 1
        taken.add(name)
        yield name, path


def typed(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes with the types and parameters that their operators then have. CMT-302."""
    types: dict[str, TensorType] = {}
    for node in nodes:
        given = [types[path] for path in node.inputs]
        least, most = node.op.arity
        if not least <= len(given) <= most:
            raise refused(node.path, f"{node.op.kind} reads {least} to {most} values, not {len(given)}")
        try:
            inferred, params = node.op.infer(*given), node.op.params(*given)
        except CmtError as error:
            raise refused(node.path, error.problems[0].message) from None
        types[node.path] = inferred
        yield dataclasses.replace(node, type=inferred, params=params)


def refused(path: str, message: str) -> CmtError:
    """Why a change is none."""
    return CmtError("CMT-302", message, path=path)
