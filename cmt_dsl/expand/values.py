"""Arguments and expressions in a block, with the memory of where each value was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from cmt_dsl.errors import AlreadyReported, CmtError, Place, Problem, did_you_mean
from cmt_dsl.spec.check import worded
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


def _wrong(argument: Argument, value: Any) -> str:
    """What is wrong with an argument's value, in words; nothing where it is as declared."""
    try:
        _reader(argument).validate_python(value)
    except ValidationError as error:
        return worded(error.errors(include_url=False)[0])
    return ""


@lru_cache(maxsize=1024)
def _declared(
    type_: str, choices: tuple[Any, ...] | None, optional: bool, *bounds: float | None
) -> TypeAdapter[Any]:
    gt, ge, lt, le = bounds
    kind: Any = {"int": int, "float": float, "bool": bool, "str": str}[type_]
    if choices is not None:
        kind = Annotated[kind, AfterValidator(_one_of(choices))]
    limits: dict[str, Any] = {} if type_ in ("bool", "str") else {"gt": gt, "ge": ge, "lt": lt, "le": le}
    read: Any = Annotated[kind, Field(strict=True, **limits)]
    return TypeAdapter(read | None if optional else read)


def _reader(argument: Argument) -> TypeAdapter[Any]:
    choices = None if argument.choices is None else tuple(argument.choices)
    return _declared(
        argument.type, choices, argument.optional, argument.gt, argument.ge, argument.lt, argument.le
    )


def _one_of(choices: tuple[Any, ...]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"should be one of {', '.join(map(str, choices))}, not {value!r}")
        return value

    return read
