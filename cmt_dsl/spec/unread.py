"""Declarations of a model's own file that nothing reads: warnings, each with its place.

What other files declare is not looked at: a shared profile or block says more than one model reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cmt_dsl.errors import Place, Problem
from cmt_dsl.spec.edit import merge
from cmt_dsl.spec.extend import Source
from cmt_dsl.spec.library import Block
from cmt_dsl.spec.load import uses
from cmt_dsl.spec.mentions import names, of_block, of_node, of_value
from cmt_dsl.spec.model import Model
from cmt_dsl.spec.overridden import leaves, overridden_keys, restating
from cmt_dsl.spec.schema import NodeSpec, ProfileSpec
from cmt_dsl.spec.tree import Map, Tree, child, place_of

BY_THE_RUNTIME = frozenset({"eval_crop", "decay_norm_and_bias"})
"""Values of profiles that training and validation read."""


def unread(model: Model) -> tuple[Problem, ...]:
    """Warnings (CMT-160 to 165) about a sound model, in the order of their places."""
    source = model.source
    if source is None:
        return ()
    found = [*_in_files(source), *_in_blocks(model), *_in_profile(model), *_in_settings(model)]
    first = {(p.code, p.message, p.place): p for p in reversed(found)}
    return tuple(sorted(first.values(), key=lambda p: p.place or Place("", 0, 0)))


def warning(code: str, message: str, place: Place, path: str, hint: str = "") -> Problem:
    """A problem that keeps nothing from working."""
    return Problem(code, message, place, path, hint, (), "warning")


def _in_files(source: Source) -> Iterator[Problem]:
    """Keys that something else overrides, and edits of `set:` that say what stands already."""
    if source.base is None:
        yield from overridden_keys(source)
    start = _start(source)
    for _, problem in restating(start, source.edits):
        yield replace(problem, code="CMT-165", severity="warning")


def _start(source: Source) -> Map:
    if source.base is None:
        return source.own
    start = merge(source.base, source.own)
    assert isinstance(start, Map)
    return start


def _is_own(model: Model, place: Place) -> bool:
    """Whether a place is of the file that was asked for, or of an edit."""
    return place.line == 0 or (model.source is not None and place.file == model.source.file)


def _reached(model: Model) -> list[Block]:
    reached = model.library.reached(uses(model.spec, model.tree))
    return [model.library.blocks[name] for name in reached]


def _in_blocks(model: Model) -> Iterator[Problem]:
    reached = set(model.library.reached(uses(model.spec, model.tree)))
    for name in model.spec.blocks:
        place = model.place("blocks", name, key=True)
        if not _is_own(model, place):
            continue
        if name not in reached:
            yield warning("CMT-162", "no stage, stem, head or block uses it", place, f"blocks.{name}")
        yield from in_block(model.library.blocks[name])


def in_block(block: Block) -> Iterator[Problem]:
    """Arguments, `let` and inputs of a block that nothing in it reads: CMT-163."""
    spec, above = block.spec, block.path + "." if block.path else ""
    read = names(of_block(spec))
    for kind, declared in (("args", spec.args), ("let", spec.let)):
        word = "argument" if kind == "args" else "name"
        for name in declared:
            if name not in read:
                place = block.place(kind, name, key=True)
                message = f"no expression of '{spec.block}' reads this {word}"
                yield warning("CMT-163", message, place, f"{above}{kind}.{name}", "remove it, or read it")
    taken = set(_inputs_taken(spec.nodes))
    for index, written in enumerate(spec.inputs):
        name = written.removesuffix("?")
        first = index == 0 and _takes_the_node_above(next(iter(spec.nodes[0].values())))
        if not first and name not in taken and name not in read and f"given.{name}" not in read:
            message, place = f"no node of '{spec.block}' reads this input", block.place("inputs", index)
            yield warning("CMT-163", message, place, f"{above}inputs.{index}", f"remove it, or in: {name}")


def _inputs_taken(nodes: Iterable[dict[str, NodeSpec]]) -> Iterator[str]:
    for entry in nodes:
        for node in entry.values():
            yield from [node.inputs] if isinstance(node.inputs, str) else node.inputs or []


def _takes_the_node_above(node: NodeSpec) -> bool:
    return node.inputs is None and node.op != "parameter"


def _in_profile(model: Model) -> Iterator[Problem]:
    """The values of a profile inside the model that no block it uses reads."""
    tree, inline = child(model.tree, "profile"), model.spec.profile
    if not isinstance(inline, ProfileSpec) or tree is None:
        return
    blocks = _reached(model)
    nodes = [node for block in blocks for entry in block.spec.nodes for node in entry.values()]
    shared = [node for stage in model.spec.stages for entry in stage.shared for node in entry.values()]
    read = _model_reads(model, blocks)
    found = in_profile(inline, tree, read, [*nodes, *shared], "profile.")
    yield from (problem for problem in found if problem.place and _is_own(model, problem.place))
    for name in inline.variants:
        if name not in model.lineage:
            place = place_of(tree, ("variants", name), key=True)
            if not _is_own(model, place):
                continue
            message = f"the model is not '{name}', nor does it extend it"
            yield warning("CMT-161", message, place, f"profile.variants.{name}")


def in_profile(
    profile: ProfileSpec,
    tree: Tree,
    read: set[str],
    nodes: Iterable[NodeSpec] | None = None,
    above: str = "",
) -> Iterator[Problem]:
    """CMT-161 for values not in `read` (`profile.NAME`), and attributes that every one of `nodes` gives itself."""
    for name in profile.values:
        if f"profile.{name}" not in read and name not in BY_THE_RUNTIME:
            place = place_of(tree, ("values", name), key=True)
            yield warning("CMT-161", "no block reads this value", place, f"{above}values.{name}")
    if nodes is None:
        return
    given = [(node.op, node.attributes) for node in nodes if node.op]
    for kind, attributes in profile.ops.items():
        own = [found for op, found in given if op == kind]
        for name in attributes:
            if all(name in found for found in own):
                place = place_of(tree, ("ops", kind, name), key=True)
                message = f"every {kind} has its own {name}" if own else f"no block has a {kind}"
                yield warning("CMT-161", message, place, f"{above}ops.{kind}.{name}")


def _model_reads(model: Model, blocks: Iterable[Block]) -> set[str]:
    """Names with attributes that the model's blocks, shared nodes and arguments mention."""
    spec = model.spec
    read = {name for block in blocks for name in names(of_block(block.spec))}
    used = [spec.stem, spec.head, *(stage.embed for stage in spec.stages)]
    for use in used:
        for value in (use.block, *use.args.values()) if use else ():
            read |= names(of_value(value))
    for stage in spec.stages:
        for entry in stage.shared:
            read |= {name for node in entry.values() for name in names(of_node(node))}
        for name, _, args, _ in stage.runs:
            read |= {found for value in (name, *args.values()) for found in names(of_value(value))}
    return read


def _in_settings(model: Model) -> Iterator[Problem]:
    """Settings of the model itself: a rate or a number of classes that no block reads, arguments of no block."""
    read = _model_reads(model, _reached(model))
    spec = model.spec
    if spec.drop_path and not read & {"block.drop_path", "model.drop_path"}:
        place = model.place("drop_path")
        if _is_own(model, place):
            yield warning("CMT-164", "no block of the model drops paths", place, "drop_path", "drop_path: 0")
    if spec.head and "model.classes" not in read:
        place, hint = model.place("classes"), "let the head read $model.classes"
        if _is_own(model, place):
            yield warning("CMT-164", "no block reads the number of classes", place, "classes", hint)
    written = child(model.source.tree, "stages") if model.source else None
    for i, stage in enumerate(spec.stages):
        own = child(written, i) if written else None
        args = child(own, "args") if own else None
        if stage.depth != 0 or args is None or stage.shared:
            continue
        for path, leaf in leaves(args):
            if _is_own(model, leaf.place):
                dotted = ".".join(map(str, ("stages", i, "args", *path)))
                yield warning("CMT-164", "the stage has no block: its depth is 0", leaf.place, dotted)
