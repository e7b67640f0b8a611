"""Whatever was mutated in a spec is what its diff names, and nothing else."""

from __future__ import annotations

import random
from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cmt_dsl import CmtError, Graph, Model, build, load, load_text
from cmt_dsl.cost import cost
from cmt_dsl.diff import diff
from cmt_dsl.draw import compose
from cmt_dsl.draw.sides import statuses

SPECS = ("cmt_nano", "example_parallel")
VALUES: dict[str, tuple[Any, ...]] = {
    "size": (64, 96), "classes": (3, 7), "drop_path": (0.2, 0.35), "depth": (1, 2, 3, 4), "width": (24, 40, 56),
    "expansion": (2, 2.5, 5), "heads": (1, 2, 4), "reduction": (1, 2), "dropout": (0.25, 0.45),
}  # fmt: skip
quick = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@lru_cache(maxsize=4)
def original(name: str) -> tuple[Model, Graph]:
    model = load(name)
    return model, build(model)


def data_of(name: str) -> Any:
    return yaml.safe_load(original(name)[0].resolved())


def made(data: Any) -> tuple[Model, Graph] | None:
    """The mutated model, where it is one."""
    try:
        model = load_text(yaml.safe_dump(data, sort_keys=False))
        return model, build(model)
    except CmtError:
        return None


def leaves(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of the model's own numbers, those of blocks and profile left out."""
    if isinstance(data, dict):
        return [
            p
            for k, v in data.items()
            if k not in ("blocks", "profile", "shared")
            for p in leaves(v, (*path, k))
        ]
    if isinstance(data, list):
        return [p for i, v in enumerate(data) for p in leaves(v, (*path, i))]
    return [path] if path[-1] in VALUES else []


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


@quick
@given(st.sampled_from(SPECS), st.integers(0, 10**6))
def test_mutated_values_are_named_exactly(name: str, seed: int) -> None:
    r = random.Random(seed)
    data = data_of(name)
    changed: dict[str, tuple[Any, Any]] = {}
    for path in r.sample(leaves(data), r.randint(1, 3)):
        before = at(data, path)
        after = r.choice([v for v in VALUES[path[-1]] if v != before])
        trial = deepcopy(data)
        at(trial, path[:-1])[path[-1]] = after
        if made(trial):
            data = trial
            changed[".".join(map(str, path))] = (before, after)
    other = made(data)
    assert other is not None
    d = diff(original(name), other)
    assert {".".join(w for w in (c.path, c.attribute) if w): (c.a, c.b) for c in d.spec} == changed
    assert d.empty == (not changed)
    deeper = {p for p in changed if p.endswith(".depth")}
    grown = {
        path.partition(".blocks.")[0] + ".depth" for path in (*d.added, *d.removed) if ".blocks." in path
    }
    assert deeper <= grown
    assert d.same_graph == (original(name)[1].fingerprint == other[1].fingerprint)


@quick
@given(st.sampled_from(SPECS), st.integers(0, 10**6))
def test_mutated_nodes_are_named_exactly(name: str, seed: int) -> None:
    """An operator is inserted or a node renamed in one block: exactly its instances are named."""
    r = random.Random(seed)
    data = data_of(name)
    block = r.choice(sorted(data["blocks"]))
    nodes = data["blocks"][block]["nodes"]
    at_ = r.randrange(len(nodes))
    old = next(iter(nodes[at_]))
    how = r.choice(["insert", "rename"])
    if how == "insert":
        nodes.insert(at_ + 1, {"extra_node": {"op": "identity", "in": old}})
        readers, new = nodes[at_ + 2 :], "extra_node"
    else:
        nodes[at_] = {"other_name": nodes[at_][old]}
        readers, new = nodes[at_ + 1 :], "other_name"
    text = yaml.safe_dump(readers)
    assume(f"{old}." not in text and f"given.{old}" not in text)  # an expression reads the node
    for entry in readers:
        for node in entry.values():
            reads = node.get("in")
            if reads == old:
                node["in"] = new
            elif isinstance(reads, list):
                node["in"] = [new if i == old else i for i in reads]
    other = made(data)
    assume(other is not None)
    assert other is not None
    d = diff(original(name), other)
    uses = [s.path for s in original(name)[1].scopes if s.block == block]
    kept = {item.path for use in uses for item in original(name)[1].children[use]}
    if how == "insert":
        assert set(d.added) == {f"{use}.extra_node" for use in uses}
        assert d.renamed == ()
    else:
        wanted = {(f"{u}.{old}", f"{u}.other_name") for u in uses if f"{u}.{old}" in kept}
        assert set(d.renamed) == wanted
        assert d.added == ()
    assert d.removed == ()
    assert {c.path for c in d.changed} == set()


@quick
@given(st.sampled_from(SPECS), st.integers(0, 10**6))
def test_no_difference_no_colour(name: str, seed: int) -> None:
    """A model read from its own resolved text, with its keys in another order, is the same model."""
    r = random.Random(seed)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            r.shuffle(keys)
            return {k: shuffled(value[k]) if k != "args" else value[k] for k in keys}
        return [shuffled(v) for v in value] if isinstance(value, list) else value

    other = made(shuffled(data_of(name)))
    assert other is not None
    d = diff(original(name), other)
    assert d.empty
    for side, (_, graph) in enumerate((original(name), other)):
        assert set(statuses(d, compose(graph, cost(graph), "op"), side).values()) == {"equal"}
