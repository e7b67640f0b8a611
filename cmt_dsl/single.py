"""A block or a profile file looked at by itself, without a model that uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from cmt_dsl.errors import CmtError, Place, Problem, SpecError, did_you_mean
from cmt_dsl.ops import registry
from cmt_dsl.spec.check import check
from cmt_dsl.spec.expr import is_expression, parse
from cmt_dsl.spec.extend import mapping
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import find, shipped, shown
from cmt_dsl.spec.library import Block, Library
from cmt_dsl.spec.mentions import names, of_data
from cmt_dsl.spec.schema import BlockSpec, NodeSpec, ProfileSpec
from cmt_dsl.spec.tree import plain
from cmt_dsl.spec.unread import in_block, in_profile, warning

_WORDS = ("profile", "model", "block", "given")


def check_block(name: str) -> tuple[Problem, ...]:
    """Warnings about a block file; SpecError with all that is wrong whatever model uses it.

    Whether shapes fit is not known before a model gives the block its inputs and arguments.
    """
    file = find(name, "blocks")
    tree = read_file(file, shown(file))
    block = Block(check(mapping(tree), BlockSpec), tree)
    library = Library(ProfileSpec(profile="none"), file)
    uses = (use for use in library.uses(block) if not is_expression(use[0]))
    _raise([*library.load_all(uses), *_in_nodes(block), *_in_expressions(block)])
    return tuple(in_block(block))


def check_profile(name: str) -> tuple[Problem, ...]:
    """Warnings about a profile file, whose values may be read by any block or model beside it or shipped; SpecError."""
    file = find(name, "profiles")
    tree = read_file(file, shown(file))
    profile = check(mapping(tree), ProfileSpec)
    _raise([problem for kind in profile.ops for problem in _in_ops(profile, kind, Block(_NONE, tree))])
    neighbours = [*_neighbours(file, "models"), *_neighbours(file, "blocks")]
    read = {name for path in neighbours for name in _read_in(path)}
    return (*in_profile(profile, tree, read), *_in_variants(profile, Block(_NONE, tree), neighbours))


_NONE = BlockSpec.model_construct(block="none")


def _raise(found: list[Problem]) -> None:
    if found:
        raise SpecError(found)


def _in_nodes(block: Block) -> Iterator[Problem]:
    """Operators and attributes that there are not."""
    for index, name, node in _nodes(block):
        if node.op is None:
            continue

        def where(*at: str, index: int = index) -> Place:
            return block.node_place(index, *at, key=len(at) == 1)

        path = f"{block.spec.block}.{name}"
        yield from _of_op(node.op, node.attributes, where, path, block.node_place(index, "op"))


def _in_ops(profile: ProfileSpec, kind: str, file: Block) -> Iterator[Problem]:
    attributes = profile.ops[kind]
    yield from _of_op(
        kind,
        attributes,
        lambda *at: file.place("ops", kind, *at, key=True),
        f"ops.{kind}",
        file.place("ops", kind, key=True),
    )


def _of_op(
    kind: str, attributes: dict[str, Any], where: Callable[..., Place], path: str, at: Place
) -> Iterator[Problem]:
    known = [k for k in registry() if k != "input"]
    if kind not in known:
        yield Problem("CMT-131", f"unknown operator '{kind}'", at, path, did_you_mean(kind, known))
        return
    fields = [f.name for f in dataclasses.fields(registry()[kind])]  # type: ignore[arg-type]
    for name in attributes:
        if name not in fields:
            hint = did_you_mean(name, fields) or f"{kind} takes no attributes"
            message = f"{kind} has no attribute '{name}'"
            yield Problem("CMT-140", message, where(name), f"{path}.{name}", hint)


def _in_expressions(block: Block) -> Iterator[Problem]:
    """Expressions that are none, and names that stand nowhere above them."""
    spec = block.spec
    known = [*_WORDS, *(name.removesuffix("?") for name in spec.inputs), *spec.args]
    for name, value in spec.let.items():
        yield from _expression(value, known, block.place("let", name), f"let.{name}")
        known.append(name)
    for index, name, node in _nodes(block):
        path = f"{spec.block}.{name}"
        for key, value in (("when", node.when), ("repeat", node.repeat)):
            yield from _expression(value, known, block.node_place(index, key), f"{path}.{key}")
        for above, values in (((), node.attributes), (("args",), node.args)):
            for key, value in values.items():
                several: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
                for item in several:
                    if is_expression(item):
                        place = block.node_place(index, *above, key)
                        yield from _expression(item, known, place, ".".join([path, *above, key]))
        known.append(name)


def _expression(value: object, known: Sequence[str], place: Place, path: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        return
    try:
        found = parse(value)
    except CmtError as error:
        yield from (dataclasses.replace(p, place=place, path=path) for p in error.problems)
        return
    for name in found.names:
        if name not in known:
            yield Problem("CMT-121", f"unknown name '{name}'", place, path, did_you_mean(name, known))


def _nodes(block: Block) -> Iterator[tuple[int, str, NodeSpec]]:
    for index, entry in enumerate(block.spec.nodes):
        for name, node in entry.items():
            yield index, name, node


def _neighbours(file: Path, kind: str) -> list[Path]:
    """Files of a kind that could read a profile: beside it, in the folder of that kind next to its own, shipped."""
    folders = dict.fromkeys([file.parent.resolve(), file.parent.resolve().parent / kind, shipped() / kind])
    return [path for folder in folders for path in sorted(folder.glob("*.yaml"))]


def _read_in(file: Path) -> set[str]:
    try:
        return names(of_data(plain(read_file(file, str(file)))))
    except CmtError:  # a neighbour of another trade
        return set()


def _in_variants(profile: ProfileSpec, file: Block, neighbours: Sequence[Path]) -> Iterator[Problem]:
    models = [path.stem for path in neighbours]
    for model, values in profile.variants.items():
        place, path = file.place("variants", model, key=True), f"variants.{model}"
        if model not in models:
            hint = did_you_mean(model, models)
            yield warning("CMT-161", "there is no such model here, nor is one shipped", place, path, hint)
        for name in values:
            if name not in profile.values:
                place = file.place("variants", model, name, key=True)
                hint = did_you_mean(name, list(profile.values))
                yield warning("CMT-161", "it is none of the values", place, f"{path}.{name}", hint)
