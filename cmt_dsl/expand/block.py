"""One use of a block to nodes: arguments bound, `let` computed, `when` and `repeat` carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmt_dsl.errors import CmtError, did_you_mean
from cmt_dsl.expand.emit import GraphBuilder, Ref, counted
from cmt_dsl.expand.values import BROKEN, Bound, Env, Site, bind
from cmt_dsl.ir import Scope
from cmt_dsl.spec.library import MAX_NESTING, Block, Library
from cmt_dsl.spec.schema import NodeSpec

MAX_REPEAT = 1000


class Expansion:
    """Expands blocks of a library into a builder graph."""

    def __init__(self, builder: GraphBuilder, library: Library) -> None:
        self.builder = builder
        self.library = library

    def block(
        self,
        name: str,
        path: str,
        inputs: Mapping[str, Ref],
        given: Mapping[str, Bound],
        trail: tuple[Site, ...],
        context: Mapping[str, Any],
    ) -> Ref:
        """Expand the block `name` at `path`; `inputs` holds only the inputs that are connected.

        `trail` is how we came here, the model's line first; its last entry is this use.
        """
        site = trail[-1]
        self.builder.enter(path, site[0])
        try:
            if len(trail) > MAX_NESTING:
                message = f"blocks within blocks, more than {MAX_NESTING} deep"
                raise CmtError("CMT-105", message, place=site[0], path=site[1])
            block = self.library.get(name, *site)
        except CmtError as error:
            self.builder.report(error.problems)
            return None
        arguments, problems = bind(block, given, site, trail[:-1])
        self.builder.report(problems)
        use = _Use(self, block, path, dict(inputs), arguments, trail, context)
        output = use.run()
        if output is not None:
            bound = tuple((k, v) for k, v in inputs.items() if v is not None)
            self.builder.scopes.append(Scope(path, block.spec.block, bound, output, site[0]))
        return output


class _Use:
    """The state of one expansion of one block."""

    def __init__(
        self,
        expansion: Expansion,
        block: Block,
        path: str,
        inputs: dict[str, Ref],
        arguments: dict[str, Bound],
        trail: tuple[Site, ...],
        context: Mapping[str, Any],
    ) -> None:
        self.expansion, self.builder = expansion, expansion.builder
        self.block, self.path, self.trail, self.context = block, path, trail, context
        declared = [name.removesuffix("?") for name in block.spec.inputs]
        self.optional = {name[:-1] for name in block.spec.inputs if name.endswith("?")}
        self.refs: dict[str, Ref] = dict(inputs)
        self.previous = self.refs[declared[0]]
        self.env = Env({**context, "given": {n: n in inputs for n in declared}})
        for name, ref in inputs.items():
            self._see(name, ref)
        for name, bound in arguments.items():
            self.env.names[name] = bound.value
            self.env.sites[name] = bound.site
        self.env.broken |= block.spec.args.keys() - arguments.keys()

    def run(self) -> Ref:
        """The block's output."""
        for name, value in self.block.spec.let.items():
            site = (self.block.place("let", name), f"let.{name}")
            try:
                self._unique(name)
                self.env.names[name] = self.env.formula(value)
            except CmtError as error:
                self.builder.fail(error, site, self.trail)
                self.env.broken.add(name)
                continue
            origin = self.env.origin(f"${value}") if isinstance(value, str) else None
            if origin:
                self.env.sites[name] = origin
        for index, entry in enumerate(self.block.spec.nodes):
            for name, node in entry.items():
                self._node(index, name, node)
        return self.previous

    def _node(self, index: int, name: str, node: NodeSpec) -> None:
        path = f"{self.path}.{name}"

        def where(*below: str, key: bool = False) -> Site:
            at = self.block.node_place(index, *below, key=key)
            return at, ".".join([path, *below])

        at = ""
        try:
            self._unique(name)
            at = "in"
            inputs = self._inputs(node)
            at = "when"
            keep = True if node.when is None else bool(self.env.formula(node.when))
            at = "in"
            if keep and node.op is not None and inputs and "" in inputs:
                names = [node.inputs] if isinstance(node.inputs, str) else node.inputs or []
                raise self._unconnected(names[inputs.index("")])
            at = "repeat"
            times = 1 if node.repeat is None else self._times(self.env.formula(node.repeat))
        except CmtError as error:
            self.builder.fail(error, where(at) if at else where(key=True), self.trail)
            self.refs[name] = self.previous = None
            self._see(name, None)
            return
        if not keep or times == 0:
            self._drop(name, inputs, node)
            return
        ref: Ref = None
        for k in range(times):
            below = path if node.repeat is None else f"{path}.{k}"
            ref = self._one(below, node, inputs, where)
            if ref is None:
                break
            inputs = [ref, *(inputs or [ref])[1:]]
        self.refs[name] = self.previous = ref
        self._see(name, ref)

    def _one(self, path: str, node: NodeSpec, inputs: list[Ref] | None, where: Any) -> Ref:
        if node.op is not None:
            return self.builder.op(
                path, node.op, node.attributes, inputs, self.previous, self.env, where, self.trail
            )
        assert node.block is not None
        given: dict[str, Bound] = {}
        for key, value in node.args.items():
            try:
                site = self.env.origin(value) or where("args", key)
                given[key] = Bound(self.env.evaluate(value), site)
            except CmtError as error:
                self.builder.fail(error, where("args", key), self.trail)
                given[key] = Bound(BROKEN, where("args", key))
        try:
            used = self.expansion.library.get(node.block, *where("block"))
        except CmtError as error:
            self.builder.report(error.problems)
            return None
        names = [n.removesuffix("?") for n in used.spec.inputs]
        values = inputs if inputs is not None else [self.previous]
        if len(values) > len(names):
            message = f"'{used.spec.block}' takes {counted(len(names))}, not {len(values)}"
            self.builder.fail(CmtError("CMT-205", message), where("in"), self.trail)
            return None
        connected = {n: v for n, v in zip(names, values, strict=False) if v != ""}
        for n in used.spec.inputs:
            if not n.endswith("?") and n not in connected:
                error = CmtError("CMT-205", f"'{used.spec.block}' needs its input '{n}'", hint="see in:")
                self.builder.fail(error, where("block"), self.trail)
                return None
        trail = (*self.trail, where("block"))
        return self.expansion.block(node.block, path, connected, given, trail, self.context)

    def _inputs(self, node: NodeSpec) -> list[Ref] | None:
        """The nodes that `in` names; "" stands for an optional input that is not connected."""
        if node.inputs is None:
            return None
        names = [node.inputs] if isinstance(node.inputs, str) else node.inputs
        return [self._ref(name, node) for name in names]

    def _ref(self, name: str, node: NodeSpec) -> Ref:
        if name in self.refs:
            return self.refs[name]
        if name in self.optional and (node.block is not None or node.when is not None):
            return ""
        if name in self.optional:
            raise self._unconnected(name)
        hint = did_you_mean(name, list(self.refs))
        raise CmtError("CMT-132", f"no node or input '{name}' above", hint=hint)

    def _unconnected(self, name: str) -> CmtError:
        hint = f"guard the node with when: given.{name}"
        return CmtError("CMT-132", f"the optional input '{name}' is not connected here", hint=hint)

    def _drop(self, name: str, inputs: list[Ref] | None, node: NodeSpec) -> None:
        """A dropped node hands on its first connected input; one that has none is not there at all."""
        connected = [self.previous] if inputs is None else [ref for ref in inputs if ref != ""]
        if node.op == "parameter" or not connected:
            self.optional.add(name)
            self.env.names["given"] = {**self.env.names["given"], name: False}
            return
        ref = connected[0]
        self.refs[name] = self.previous = ref
        self._see(name, ref)

    def _times(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_REPEAT:
            raise CmtError("CMT-142", f"repeat should be a whole number up to {MAX_REPEAT}, not {value!r}")
        return value

    def _unique(self, name: str) -> None:
        if name in self.refs or (name in self.env.names and name not in self.context):
            raise CmtError("CMT-136", f"the name '{name}' is used twice in '{self.block.spec.block}'")
        if name in self.env.names:
            raise CmtError("CMT-136", f"'{name}' is a word of the language", hint="choose another name")

    def _see(self, name: str, ref: Ref) -> None:
        """Let expressions read a node's shape."""
        if ref:
            self.env.names[name] = self.builder.types[ref].attributes()
        elif ref is None:
            self.env.broken.add(name)
        if name not in self.env.names["given"]:
            self.env.names["given"] = {**self.env.names["given"], name: True}
