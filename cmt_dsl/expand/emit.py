"""The builder graph: nodes are added with their types, and problems are gathered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pydantic import ValidationError

from cmt_dsl.errors import CmtError, Place, Problem, ShapeError, SpecError, did_you_mean
from cmt_dsl.expand.values import Env, Site, placed
from cmt_dsl.ir import Node, Op, Scope, TensorType
from cmt_dsl.ops import make, registry
from cmt_dsl.spec.check import worded
from cmt_dsl.spec.schema import ProfileSpec

MAX_NODES = 20_000
"""Bound of the nodes, of the uses of blocks and of the problems reported, each."""

Ref = str | None
"""A node's path; None stands for a node that has a problem, so what reads it stays silent."""


def counted(inputs: int) -> str:
    """How many inputs, in words: `1 input`, `2 inputs`."""
    return f"{inputs} input" + ("" if inputs == 1 else "s")


class GraphBuilder:
    """Nodes and scopes so far, their types, and every problem met."""

    def __init__(self, profile: ProfileSpec) -> None:
        self.profile = profile
        self.nodes: list[Node] = []
        self.types: dict[str, TensorType] = {}
        self.scopes: list[Scope] = []
        self.problems: list[Problem] = []
        self._uses = self._reported = 0
        self._made: dict[tuple[str, str], Op] = {}

    def add(self, path: str, op: Op, inputs: Sequence[str], place: Place | None) -> str:
        """Append a node; raises `ShapeError`, or `SpecError` when the graph grows too large."""
        low, high = op.arity
        if not low <= len(inputs) <= high:
            wanted = counted(high) if low == high else f"{low} to {counted(high)}"
            raise ShapeError("CMT-205", f"{op.kind} takes {wanted}, not {len(inputs)}", attribute="in")
        if len(self.nodes) >= MAX_NODES:
            self._too_large("nodes", path, place)
        types = [self.types[i] for i in inputs]
        out = op.infer(*types)
        self.nodes.append(Node(path, op, tuple(inputs), out, op.params(*types), place))
        self.types[path] = out
        return path

    def enter(self, path: str, place: Place) -> None:
        """Count one use of a block; raises `SpecError` when there are too many."""
        self._uses += 1
        if self._uses > MAX_NODES:
            self._too_large("uses of blocks", path, place)

    def report(self, problems: Sequence[Problem]) -> None:
        """Remember problems; raises `SpecError` when repetition has made too many."""
        self.problems.extend(problems)
        self._reported += len(problems)
        if self._reported > MAX_NODES:
            raise SpecError(self.problems)

    def _too_large(self, what: str, path: str, place: Place | None) -> NoReturn:
        problem = Problem("CMT-137", f"more than {MAX_NODES:,} {what}", place, path, "see depth and repeat")
        raise SpecError([*self.problems, problem])

    def op(
        self,
        path: str,
        kind: str,
        written: dict[str, Any],
        inputs: Sequence[Ref] | None,
        previous: Ref,
        env: Env,
        where: Callable[..., Site],
        trail: tuple[Site, ...],
    ) -> Ref:
        """Add the operator a node asks for; problems are gathered, and then the result is None."""
        if kind not in registry() or kind == "input":
            known = [k for k in registry() if k != "input"]
            hint = f"{did_you_mean(kind, known)} `cmt list ops` shows all of them".strip()
            error = CmtError("CMT-131", f"unknown operator '{kind}'", hint=hint)
            return self.fail(error, where("op"), trail)
        attributes = {**self.profile.ops.get(kind, {}), **written}
        op = self._op(kind, attributes, env, where, trail)
        if inputs is None:
            inputs = [] if registry()[kind].arity == (0, 0) else [previous]
        if op is None or any(ref is None for ref in inputs):
            return None
        try:
            return self.add(path, op, [ref for ref in inputs if ref is not None], where()[0])
        except ShapeError as error:
            culprit = error.attribute
            site = where(culprit) if culprit in written or culprit == "in" else where()
            origin = env.origin(written.get(culprit)) if culprit else None
            # which shapes meet is up to the model; how many, to the block alone
            first = trail[0] if trail and error.code != "CMT-205" else None
            return self.fail(error, site, trail, origin or first)

    def fail(self, error: CmtError, site: Site, trail: tuple[Site, ...], origin: Site | None = None) -> None:
        """Remember an error with its place."""
        self.report(placed(error, site, trail, origin))

    def _op(
        self,
        kind: str,
        attributes: dict[str, Any],
        env: Env,
        where: Callable[..., Site],
        trail: tuple[Site, ...],
    ) -> Op | None:
        values: dict[str, Any] = {}
        for name, value in attributes.items():
            try:
                values[name] = env.evaluate(value)
            except CmtError as error:
                self.fail(error, where(name), trail)
        if len(values) < len(attributes):
            return None
        key = (kind, repr(values))
        if key not in self._made:
            try:
                self._made[key] = make(kind, values)
            except ValidationError as error:
                self._invalid(kind, error, attributes, env, where, trail)
                return None
        return self._made[key]

    def _invalid(
        self,
        kind: str,
        error: ValidationError,
        attributes: dict[str, Any],
        env: Env,
        where: Callable[..., Site],
        trail: tuple[Site, ...],
    ) -> None:
        for item in error.errors(include_url=False):
            name = str(item["loc"][0]) if item["loc"] else ""
            if item["type"] == "unexpected_keyword_argument":
                known = list(getattr(registry()[kind], "__dataclass_fields__", {}))
                hint = did_you_mean(name, known) or f"{kind} takes no attributes"
                wrong = CmtError("CMT-140", f"{kind} has no attribute '{name}'", hint=hint)
                self.fail(wrong, where(name, key=True), trail)
            elif item["type"] in ("missing", "missing_argument"):
                hint = f"give it here, or for all in the profile under ops.{kind}"
                self.fail(CmtError("CMT-141", f"{kind} needs '{name}'", hint=hint), where("op"), trail)
            else:
                wrong = CmtError("CMT-142", f"{name} {worded(item)}")
                self.fail(wrong, where(name), trail, env.origin(attributes.get(name)))
