"""Arguments and expressions in a block, with the memory of where each value was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from cmt_dsl.errors import AlreadyReported, CmtError, Place, Problem, did_you_mean
from cmt_dsl.spec.expr import is_expression, parse
from cmt_dsl.spec.library import Block
from cmt_dsl.spec.schema import Argument

BROKEN = object()
"""Stands for an argument whose value has a problem that is reported already."""

Site = tuple[Place, str]
"""A place in a file and the path that stands there."""


@dataclass(frozen=True)
class Bound:
    """A value and the place where its user wrote it."""

    value: Any
    site: Site


@dataclass
class Env:
    """The names an expression may read, and where the values behind them were written."""

    names: dict[str, Any]
    sites: dict[str, Site] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Names whose value has a problem that is reported already."""

    def origin(self, value: Any) -> Site | None:
        """Where the first written value that `value` depends on stands."""
        if isinstance(value, list):
            found = (self.origin(item) for item in cast("list[Any]", value))
            return next((site for site in found if site), None)
        if not is_expression(value):
            return None
        return next((self.sites[n] for n in parse(value).names if n in self.sites), None)

    def evaluate(self, value: Any) -> Any:
        """An attribute's value: expressions computed, lists as tuples."""
        if isinstance(value, list):
            return tuple(self.evaluate(item) for item in cast("list[Any]", value))
        return self.formula(value) if is_expression(value) else value

    def formula(self, value: Any) -> Any:
        """A value in a place that is always an expression: `let` and `when`."""
        if not isinstance(value, str):
            return value
        expression = parse(value)
        if not self.broken.isdisjoint(expression.names):
            raise AlreadyReported
        return expression.evaluate(self.names)


def placed(error: CmtError, site: Site, trail: tuple[Site, ...], origin: Site | None = None) -> list[Problem]:
    """An error's problems at `site` (or at the `origin` of the value), with the way that led there."""
    first = origin or site
    via = tuple(dict.fromkeys(s for s in (site, *reversed(trail)) if s != first))
    if origin:
        via = via[:1]
    return [replace(p, place=first[0], path=first[1], via=via) for p in error.problems]


def bind(
    block: Block, given: Mapping[str, Bound], use: Site, trail: tuple[Site, ...]
) -> tuple[dict[str, Bound], list[Problem]]:
    """The block's arguments from those given: all declared ones, of the declared types and bounds."""
    declared, found = block.spec.args, list[Problem]()
    bound: dict[str, Bound] = {}
    for name, value in given.items():
        if name not in declared:
            hint = did_you_mean(name, list(declared)) or f"'{block.spec.block}' takes no arguments"
            message = f"'{block.spec.block}' has no argument '{name}'"
            found.extend(placed(CmtError("CMT-140", message, hint=hint), value.site, trail))
    for name, argument in declared.items():
        if name in given:
            value = given[name]
            if value.value is BROKEN:
                continue
            wrong = _wrong(argument, value.value)
            if wrong:
                error = CmtError("CMT-142", f"{name} {wrong}", hint=argument.doc)
                found.extend(placed(error, value.site, trail))
            else:
                bound[name] = value
        elif argument.optional or argument.default is not None:
            bound[name] = Bound(argument.default, (block.place("args", name), f"args.{name}"))
        else:
            doc = f"{name}: {argument.type}" + (f", {argument.doc}" if argument.doc else "")
            error = CmtError("CMT-141", f"'{block.spec.block}' needs '{name}'", hint=doc)
            found.extend(placed(error, use, trail))
    return bound, found


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
}


def _wrong(argument: Argument, value: Any) -> str:
    if value is None and argument.optional:
        return ""
    is_bool = isinstance(value, bool)
    if not isinstance(value, _TYPES[argument.type]) or (is_bool and argument.type != "bool"):
        return f"should be of type {argument.type}, not {value!r}"
    if argument.choices is not None and value not in argument.choices:
        return f"should be one of {', '.join(map(str, argument.choices))}, not {value!r}"
    if isinstance(value, (int, float)) and not is_bool:
        bounds = (
            (argument.gt, "greater than", argument.gt is None or value > argument.gt),
            (argument.ge, "at least", argument.ge is None or value >= argument.ge),
            (argument.lt, "less than", argument.lt is None or value < argument.lt),
            (argument.le, "at most", argument.le is None or value <= argument.le),
        )
        for bound, word, holds in bounds:
            if not holds:
                return f"should be {word} {bound:g}, not {value!r}"
    return ""
