"""The closed expression language: numbers, names, arithmetic, comparisons, a few functions.

`$hidden`, `$x.channels // heads`, `int(x.channels * expansion)`. Parsed with `ast` against a
whitelist; nothing is called but the functions below, and length, depth and magnitude are bounded.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from cmt_dsl.errors import CmtError, did_you_mean

MAX_CHARS = 300
MAX_DEPTH = 24
MAX_NUMBER = 1e15

Value = int | float | bool | str | None
Names = Mapping[str, Any]
"""Name to value, or to a mapping of attributes (`x` to `{"channels": 64, …}`)."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _round(value: float, digits: int | None = None) -> float:
    if digits is not None and abs(digits) > 15:
        raise ValueError("round takes up to 15 digits")  # Python would compute 10 to that power
    return round(value, digits)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "int": int,
    "round": _round,
    "abs": abs,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "log2": math.log2,
}
_WHOLE = "numbers, names, + - * / // %, comparisons, and or not, a if c else b, " + ", ".join(FUNCTIONS)
_WRITTEN = {
    "Pow": "**",
    "LShift": "<<",
    "RShift": ">>",
    "BitOr": "|",
    "BitAnd": "&",
    "BitXor": "^",
    "MatMult": "@",
}


@dataclass(frozen=True)
class Expr:
    """A parsed expression; `names` are the names it reads, in order, `members` those with an attribute: `x.channels`."""

    text: str
    body: ast.expr
    names: tuple[str, ...]
    members: tuple[str, ...] = ()

    def evaluate(self, names: Names) -> Value:
        """The value under `names`; raises `CmtError` 121-123."""
        try:
            value = _eval(self.body, names)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise CmtError("CMT-123", f"'{self.text}': {error}") from None
        if isinstance(value, Mapping):
            raise CmtError("CMT-123", f"'{self.text}' is a tensor or a group, not a value")
        if isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER:
            raise CmtError("CMT-123", f"'{self.text}' gives {value}, which is out of range")
        return value


def is_expression(value: object) -> bool:
    """Whether an attribute value is an expression: text that starts with `$`."""
    return isinstance(value, str) and value.startswith("$")


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """Parse an expression (a leading `$`, and `$` before names, are optional)."""
    if len(text) > MAX_CHARS:
        raise CmtError("CMT-120", f"an expression may have {MAX_CHARS} characters, not {len(text)}")
    source = re.sub(r"\$(?=[A-Za-z_])", "", text).removeprefix("$").strip()
    try:
        body = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        cut = text.count("(") > text.count(")")
        hint = (
            "between { } a comma ends a value: quote the expression, or name it under let" if cut else _WHOLE
        )
        raise CmtError("CMT-120", f"'{text}' is not an expression", hint=hint) from None
    names: dict[str, None] = {}
    _check(body, text, 0, names)
    members = (
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )
    return Expr(text, body, tuple(names), tuple(members))


def _check(node: ast.expr, text: str, depth: int, names: dict[str, None]) -> None:
    if depth > MAX_DEPTH:
        raise CmtError("CMT-122", f"'{text[:40]}…' is nested more than {MAX_DEPTH} deep")
    below: list[ast.expr]
    match node:
        case ast.Constant(value=int() | float() | str() | bool()):
            below = []
        case ast.Name():
            names[node.id] = None
            below = []
        case ast.Attribute(value=ast.Name()):
            below = [node.value]
        case ast.BinOp() if type(node.op) in _BINARY:
            below = [node.left, node.right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not()):
            below = [node.operand]
        case ast.BoolOp():
            below = node.values
        case ast.Compare() if all(type(op) in _COMPARE for op in node.ops):
            below = [node.left, *node.comparators]
        case ast.IfExp():
            below = [node.test, node.body, node.orelse]
        case ast.Call(func=ast.Name(id=called), keywords=[]) if called in FUNCTIONS:
            below = node.args
        case ast.Call(func=ast.Name(id=called)):
            hint = did_you_mean(called, list(FUNCTIONS))
            raise CmtError("CMT-122", f"'{text}' calls '{called}'", hint=hint)
        case _:
            what = type(getattr(node, "op", node)).__name__
            message = f"'{text}' uses {_WRITTEN.get(what, what)}, which is not in the language"
            raise CmtError("CMT-122", message, hint=_WHOLE)
    for part in below:
        _check(part, text, depth + 1, names)


def _eval(node: ast.expr, names: Names) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return _look_up(names, node.id, "unknown name")
        case ast.Attribute(value=ast.Name() as base):
            group = _look_up(names, base.id, "unknown name")
            if not isinstance(group, Mapping):
                raise CmtError("CMT-121", f"'{base.id}' has no attributes, so no '.{node.attr}'")
            return _look_up(cast("Names", group), node.attr, f"'{base.id}' has no")
        case ast.BinOp():
            return _BINARY[type(node.op)](_number(node.left, names), _number(node.right, names))
        case ast.UnaryOp(op=ast.Not()):
            return not _eval(node.operand, names)
        case ast.UnaryOp():
            value = _number(node.operand, names)
            return -value if isinstance(node.op, ast.USub) else value
        case ast.BoolOp():
            parts = (_eval(value, names) for value in node.values)
            return any(parts) if isinstance(node.op, ast.Or) else all(parts)
        case ast.Compare():
            left = _eval(node.left, names)
            for op, comparator in zip(node.ops, node.comparators, strict=True):
                right = _eval(comparator, names)
                if not _COMPARE[type(op)](left, right):
                    return False
                left = right
            return True
        case ast.IfExp():
            return _eval(node.body if _eval(node.test, names) else node.orelse, names)
        case ast.Call(func=ast.Name() as function):
            return FUNCTIONS[function.id](*(_number(arg, names) for arg in node.args))
        case _:
            raise CmtError("CMT-122", f"{type(node).__name__} is not in the language")


def _number(node: ast.expr, names: Names) -> int | float:
    value = _eval(node, names)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        shown = "a tensor" if isinstance(value, Mapping) else repr(value)
        raise CmtError("CMT-123", f"arithmetic needs a number, not {shown}")
    return value


def _look_up(names: Names, name: str, what: str) -> Any:
    if name not in names:
        raise CmtError("CMT-121", f"{what} '{name}'", hint=did_you_mean(name, list(names)))
    return names[name]
