"""A folded program computes what it computed before: in float64 to rounding, in float32 as well as it can be told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmt_dsl import Graph, build, load
from cmt_dsl.ir import Array, Program, parsed, whole_text
from cmt_dsl.lower.mindspore.source import source
from cmt_dsl.lower.numpy import run_all
from cmt_dsl.ops import make
from cmt_dsl.passes import FORMS, run
from cmt_dsl.weights.arbitrary import arbitrary
from tests.property.folding import grown, variants
from tests.tiny import MODELS

SETTINGS = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SMALL = {"cmt_ti": 64, "cmt_xs": 64, "cmt_s": 64, "cmt_b": 64}


def values(program: Program, images: Array) -> list[Array]:
    paths = [path for _, path in program.graph.outputs]
    found = run_all(program.graph, program.weights, images, paths)
    return [found[path] for path in paths]


def distance(here: list[Array], there: list[Array]) -> float:
    """The largest difference of an output over its largest value; an output that is 0 but for rounding has a floor."""
    pairs = zip(here, there, strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3)) for a, b in pairs)


def same(graph: Graph, seed: int) -> set[str]:
    """Each form computes the same, in double precision and in single; and is a program in every other way.

    The names of the passes that did something.
    """
    busy = set[str]()
    single = arbitrary(graph, seed)
    programs = [
        Program.of(graph, {k: v.astype(t) for k, v in single.items()}) for t in (np.float64, np.float32)
    ]
    images = np.random.default_rng(seed).normal(size=(2, *graph.input.type.sizes))
    exact = values(programs[0], images)
    plain = values(programs[1], images.astype(np.float32))
    for flavour in FORMS:
        made, outcomes = run(programs[0], FORMS[flavour])
        busy |= {outcome.by for outcome in outcomes if outcome.done}
        assert distance(values(made, images), exact) < 1e-9, (flavour, [str(o) for o in outcomes])
        assert [name for name, _ in made.graph.outputs] == [name for name, _ in graph.outputs]
        rounded, _ = run(programs[1], FORMS[flavour])
        assert rounded.graph == made.graph and all(w.dtype == np.float32 for w in rounded.weights.values())
        # of what single precision makes of the model as it was, no more than what it makes of it anyway
        allowed = 1e-4 + 4 * distance(plain, exact)
        assert distance(values(rounded, images.astype(np.float32)), plain) < allowed, flavour
        text = whole_text(made.graph)
        assert whole_text(parsed(text, make)) == text
        compile(source(made.graph), "generated", "exec")
        again, _ = run(made, FORMS[flavour])
        assert distance(values(again, images), exact) < 1e-9, flavour
    return busy


def test_random_graphs() -> None:
    busy = set[str]()

    @settings(SETTINGS, max_examples=150)
    @given(grown(), st.integers(0, 1000))
    def look(graph: Graph, seed: int) -> None:
        busy.update(same(graph, seed))

    look()
    assert busy == {each.name for passes in FORMS.values() for each in passes}, "a pass met nothing to do"


@settings(SETTINGS, max_examples=12)
@given(variants(), st.integers(0, 1000))
def test_random_variants(graph: Graph, seed: int) -> None:
    same(graph, seed)


@pytest.mark.parametrize("model", MODELS)
def test_shipped_models(model: str) -> None:
    """Single precision alone: the large ones in one flavour that has all the passes."""
    size = SMALL.get(model)
    graph = build(load(model, set={"input.size": size} if size else {}))
    program = Program.of(graph, arbitrary(graph, 5))
    images = np.random.default_rng(5).normal(size=(1, *graph.input.type.sizes)).astype(np.float32)
    before = values(program, images)
    for flavour in FORMS if size is None else ("ort",):
        made, _ = run(program, FORMS[flavour])
        assert distance(values(made, images), before) < 1e-4, flavour
