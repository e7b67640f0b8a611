"""The blocks a model can name: its own `blocks:`, files beside it, and the shipped ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cmt_dsl.errors import AlreadyReported, CmtError, Place, Problem
from cmt_dsl.spec.check import check
from cmt_dsl.spec.expr import is_expression
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import find, shown
from cmt_dsl.spec.schema import BlockSpec, ProfileSpec
from cmt_dsl.spec.tree import Map, Tree, child, place_of

MAX_NESTING = 32


@dataclass(frozen=True)
class Block:
    """A block with the text it came from."""

    spec: BlockSpec
    tree: Tree
    path: str = ""

    def place(self, *path: str | int, key: bool = False) -> Place:
        """Where `path` stands in the block's text."""
        return place_of(self.tree, path, key=key)

    def node_place(self, index: int, *path: str | int, key: bool = False) -> Place:
        """Where a node, or something inside it, stands."""
        (name,) = self.spec.nodes[index]
        return self.place("nodes", index, name, *path, key=key)


class Library:
    """Blocks by name, each read and checked once."""

    def __init__(self, profile: ProfileSpec, near: Path | None) -> None:
        self.profile = profile
        self.near = near
        self.blocks: dict[str, Block] = {}
        self.failed: set[str] = set()

    def add_inline(self, specs: dict[str, BlockSpec], tree: Tree) -> None:
        """Take the `blocks:` of a model file."""
        for name, spec in specs.items():
            below = child(tree, name)
            assert below is not None
            self.blocks[name] = Block(spec, below, f"blocks.{name}")

    def resolve(self, name: str, place: Place, path: str) -> str:
        """A block's name, which may be `$profile.KEY`."""
        if not is_expression(name):
            return name
        key = name.removeprefix("$").strip().removeprefix("profile.")
        value = self.profile.values.get(key)
        if not isinstance(value, str):
            hint = "a block's name is a word, or $profile.KEY with a word for value"
            raise CmtError("CMT-130", f"'{name}' names no block", place=place, path=path, hint=hint)
        return value

    def get(self, name: str, place: Place, path: str) -> Block:
        """The block called `name`; raises CMT-130, all the problems of its file, or `AlreadyReported` the next time."""
        if name in self.failed:
            raise AlreadyReported
        try:
            resolved = self.resolve(name, place, path)
            if resolved in self.failed:
                raise AlreadyReported
            return self._get(resolved, place, path)
        except CmtError:
            self.failed.add(name)
            raise

    def _get(self, name: str, place: Place, path: str) -> Block:
        if name not in self.blocks:
            file = find(name, "blocks", near=self.near, place=place, path=path, also=self.blocks)
            tree = read_file(file, shown(file), mention=(place, path))
            self.blocks[name] = Block(check(tree, BlockSpec), tree)
        return self.blocks[name]

    def uses(self, block: Block) -> Iterator[tuple[str, Place, str]]:
        """The blocks that a block names, with places and paths."""
        for index, entry in enumerate(block.spec.nodes):
            for name, node in entry.items():
                if node.block is not None:
                    yield (
                        node.block,
                        block.node_place(index, name, "block"),
                        f"{block.spec.block}.{name}.block",
                    )

    def reached(self, first: Iterator[tuple[str, Place, str]]) -> list[str]:
        """The blocks that can be reached from uses, all of them read already."""
        found: dict[str, None] = {}
        waiting = [name for name, _, _ in first]
        nowhere = Place("", 0, 0)
        while waiting:
            name = self.resolve(waiting.pop(), nowhere, "")
            if name not in found and name in self.blocks:
                found[name] = None
                waiting += [used for used, _, _ in self.uses(self.blocks[name])]
        return list(found)

    def load_all(self, first: Iterator[tuple[str, Place, str]]) -> list[Problem]:
        """Read every block that can be reached; the problems found."""
        found: list[Problem] = []
        done: set[str] = set()
        for name, place, path in first:
            self._visit(name, place, path, (), done, found)
        return found

    def _visit(
        self,
        name: str,
        place: Place,
        path: str,
        chain: tuple[str, ...],
        done: set[str],
        found: list[Problem],
    ) -> None:
        try:
            name = self.resolve(name, place, path)
            if name in chain:
                self.failed.add(name)
                loop = " → ".join([*chain[chain.index(name) :], name])
                raise CmtError("CMT-134", f"a block contains itself: {loop}", place=place, path=path)
            if name in done:
                return
            if len(chain) > MAX_NESTING:
                message = f"blocks within blocks, more than {MAX_NESTING} deep"
                raise CmtError("CMT-105", message, place=place, path=path)
            block = self.get(name, place, path)
        except CmtError as error:
            found.extend(error.problems)
            done.add(name)
            return
        for used, at, below in self.uses(block):
            self._visit(used, at, below, (*chain, name), done, found)
        done.add(name)


def blocks_tree(tree: Tree) -> Tree:
    """The `blocks:` part of a model's tree (an empty mapping where there is none)."""
    return child(tree, "blocks") or Map({}, {}, tree.place)
