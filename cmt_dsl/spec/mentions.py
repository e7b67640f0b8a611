"""What the expressions of a spec mention: bare names, and names with an attribute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from cmt_dsl.errors import CmtError
from cmt_dsl.spec.expr import Expr, is_expression, parse
from cmt_dsl.spec.schema import BlockSpec, NodeSpec


def names(expressions: Iterable[Expr]) -> set[str]:
    """`heads` and `x` in `x.channels // heads`; also `x.channels`."""
    return {name for found in expressions for name in (*found.names, *found.members)}


def of_value(value: Any) -> Iterator[Expr]:
    """The expressions in an attribute or an argument: text that starts with `$`, alone or in a list."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from of_value(item)
    elif is_expression(value):
        yield from of_formula(value)


def of_formula(value: Any) -> Iterator[Expr]:
    """The expression in a place that is always one; a faulty one mentions nothing, and is reported elsewhere."""
    if isinstance(value, str):
        try:
            yield parse(value)
        except CmtError:
            return


def of_node(node: NodeSpec) -> Iterator[Expr]:
    """The expressions of one node."""
    yield from of_formula(node.when)
    yield from of_formula(node.repeat)
    yield from of_value(node.block)
    for value in (*node.attributes.values(), *node.args.values()):
        yield from of_value(value)


def of_block(block: BlockSpec) -> Iterator[Expr]:
    """The expressions of a block: its `let` and its nodes."""
    for value in block.let.values():
        yield from of_formula(value)
    for entry in block.nodes:
        for node in entry.values():
            yield from of_node(node)


def of_data(data: Any) -> Iterator[Expr]:
    """Everything in plain data that could be an expression, whatever it belongs to: more rather than less."""
    if isinstance(data, dict):
        for key, value in cast("dict[str, Any]", data).items():
            in_words = key in ("when", "let", "repeat")
            yield from of_words(value) if in_words else of_data(value)
    elif isinstance(data, list):
        for item in cast("list[Any]", data):
            yield from of_data(item)
    else:
        yield from of_value(data)


def of_words(data: Any) -> Iterator[Expr]:
    """The same where every text is an expression."""
    for value in cast("dict[str, Any]", data).values() if isinstance(data, dict) else (data,):
        yield from of_formula(value)
