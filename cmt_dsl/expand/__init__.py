"""A model's spec to its graph: stem, stages, head; every problem gathered before it gives up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from cmt_dsl.errors import AlreadyReported, CmtError, SpecError
from cmt_dsl.expand.block import Expansion
from cmt_dsl.expand.emit import GraphBuilder, Ref
from cmt_dsl.expand.values import BROKEN, Bound, Env, Site
from cmt_dsl.ir import Graph, Scope, verify
from cmt_dsl.ops import make
from cmt_dsl.spec import Model
from cmt_dsl.spec.find import shared_names
from cmt_dsl.spec.schema import BlockUse, StageSpec

_MADE: WeakKeyDictionary[Model, Graph] = WeakKeyDictionary()


def expand(model: Model) -> Graph:
    """The graph of a checked model, made once; raises `SpecError` with every problem found."""
    graph = _MADE.get(model)
    if graph is None:
        graph = _MADE[model] = _Expander(model).run()
    return graph


class _Expander:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.builder = GraphBuilder(model.profile)
        self.expansion = Expansion(self.builder, model.library)
        self.context: dict[str, Any] = {
            "profile": model.profile_values,
            "model": {"classes": model.classes, "drop_path": model.spec.drop_path},
        }
        self.total = sum(depth for stage in model.spec.stages for _, depth, _, _ in stage.runs)
        self.seen = 0

    def run(self) -> Graph:
        spec, image = self.model.spec, self.model.input
        shape = {"channels": image.channels, "height": image.height, "width": image.width}
        ref: Ref = self.builder.add("input", make("input", shape), (), self.model.place("input"))
        if spec.stem:
            ref = self._use(spec.stem, ref, "stem")
        for i, stage in enumerate(spec.stages):
            ref = self._stage(stage, i, ref)
        if spec.head:
            ref = self._use(spec.head, ref, "head")
        if self.builder.problems:
            raise SpecError(self.builder.problems)
        if ref is None:
            raise AlreadyReported
        nodes, scopes = tuple(self.builder.nodes), tuple(self.builder.scopes)
        files = dict.fromkeys(item.place.file for item in (*nodes, *scopes) if item.place)
        graph = Graph(
            self.model.name,
            nodes,
            scopes,
            (("logits" if spec.head else "features", ref),),
            shared_names(files, self.model.library.near),
        )
        return verify(graph)

    def _stage(self, stage: StageSpec, i: int, x: Ref) -> Ref:
        path, start = f"stages.{i}", x
        if stage.embed:
            x = self._use(stage.embed, x, "stages", i, "embed")
        shared = self._shared(stage, i, x)
        count = 0
        for name, depth, args, where in stage.runs:
            site = self._site("stages", i, *where[:-1], "block")
            given = {k: self._bound(v, self._argument_site(i, where, k)) for k, v in args.items()}
            for _ in range(depth):
                inputs = self._inputs(name, i, where, x, shared)
                rate = self.model.spec.drop_path * self.seen / max(self.total - 1, 1)
                context = {**self.context, "block": {"index": self.seen, "drop_path": rate}}
                y = self.expansion.block(name, f"{path}.blocks.{count}", inputs, given, (site,), context)
                # A block that stands several times keeps its map's shape: so later stages are looked at too.
                x = x if y is None and depth > 1 else y
                count += 1
                self.seen += 1
        if start is not None and x is not None:
            place = self.model.place("stages", i)
            self.builder.scopes.append(Scope(path, "stage", (("x", start),), x, place, stage=True))
        return x

    def _argument_site(self, i: int, where: tuple[str | int, ...], name: str) -> Site:
        run = self.model.spec.stages[i].blocks
        own = run is None or name in run[int(where[1])].args
        return self._site("stages", i, *(where if own else ("args",)), name)

    def _inputs(
        self, name: str, i: int, where: tuple[str | int, ...], x: Ref, shared: dict[str, Ref]
    ) -> dict[str, Ref]:
        """The block's inputs: `x`, and the stage's shared nodes of the same names."""
        site = self._site("stages", i, *where[:-1], "block")
        try:
            first, *others = self.model.library.get(name, *site).spec.inputs
        except CmtError as error:
            self.builder.report(error.problems)
            return {"x": None}
        inputs: dict[str, Ref] = {first: x}
        for other in others:
            bare = other.removesuffix("?")
            if bare in shared:
                inputs[bare] = shared[bare]
            elif bare == other:
                message = f"the block needs '{bare}', which the stage does not share"
                self._fail(CmtError("CMT-205", message, hint=f"add it under shared: in stage {i}"), site)
                inputs[bare] = None
        return inputs

    def _shared(self, stage: StageSpec, i: int, x: Ref) -> dict[str, Ref]:
        found: dict[str, Ref] = {}
        names: dict[str, Any] = {
            **self.context,
            "args": {
                k: self._bound(v, self._site("stages", i, "args", k)).value for k, v in stage.args.items()
            },
        }
        if x is not None:
            names["x"] = self.builder.types[x].attributes()
        for j, entry in enumerate(stage.shared):
            for name, node in entry.items():

                def where(*below: str, key: bool = False, at: int = j, named: str = name) -> Site:
                    path = ("stages", i, "shared", at, named, *below)
                    return self.model.place(*path, key=key), ".".join(map(str, path))

                if x is None:
                    found[name] = None
                    continue
                env = Env(names)
                path = f"stages.{i}.{name}"
                try:
                    if name in found or name in ("embed", "blocks"):
                        raise CmtError("CMT-136", f"the name '{name}' is taken in this stage")
                    if node.when is not None and not env.formula(node.when):
                        continue
                    if node.op is None or node.inputs or node.repeat is not None:
                        raise CmtError("CMT-205", "a shared node is an operator that reads the stage's map")
                except CmtError as error:
                    self._fail(error, where())
                    found[name] = None
                    continue
                found[name] = self.builder.op(path, node.op, node.attributes, None, x, env, where, ())
        return found

    def _use(self, use: BlockUse, x: Ref, *path: str | int) -> Ref:
        given = {k: self._bound(v, self._site(*path, "args", k)) for k, v in use.args.items()}
        site = self._site(*path, "block")
        try:
            first = self.model.library.get(use.block, *site).spec.inputs[0]
        except CmtError as error:
            self.builder.report(error.problems)
            return None
        inputs = {first: x}
        context: Mapping[str, Any] = {**self.context, "block": {"index": 0, "drop_path": 0.0}}
        return self.expansion.block(use.block, ".".join(map(str, path)), inputs, given, (site,), context)

    def _bound(self, value: Any, site: Site) -> Bound:
        """An argument as the model gives it; it may read the profile."""
        try:
            return Bound(Env(self.context).evaluate(value), site)
        except CmtError as error:
            self._fail(error, site)
            return Bound(BROKEN, site)

    def _site(self, *path: str | int) -> Site:
        return self.model.place(*path), ".".join(map(str, path))

    def _fail(self, error: CmtError, site: Site) -> None:
        self.builder.fail(error, site, ())
