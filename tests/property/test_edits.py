"""Random single edits by `--set`: each changes the resolved model or recipe, or is an error that says why not."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import pytest

from cmt_dsl import CmtError, Model, build, load
from cmt_dsl.errors import CODES
from cmt_dsl.spec import load_document, names
from cmt_dsl.spec.model import resolved_data
from cmt_dsl.spec.tree import plain
from runtime.codes import RUNTIME_CODES
from runtime.recipe.paths import recipe_paths
from runtime.recipe.read import load_recipe
from tests.property.mutate import VALUES
from tests.tiny import MODELS

SMALL = ["cmt_nano", "example_parallel"]
PATHS = [
    "stage_defaults.depth",
    "stage_defaults.args.heads",
    "stage_defaults.embed.args.width",
    "epochs",
    "train.seed",
]
WORDS = ["heads", "depth", "args", "default", "when", "drop_path", "0", "9", "x", "blocks", "doc", "let"]


@cache
def base(name: str) -> Model:
    model = load(name)
    build(model)
    return model


def leaves(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, Any]]:
    """Every path of plain data with its value, collections too."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    here = [(".".join(path), data)] if path else []
    return here + [found for key, value in items for found in leaves(value, (*path, str(key)))]


@cache
def sites(name: str) -> list[tuple[str, Any]]:
    """Paths of the resolved model and of its text, where stages and their defaults are apart."""
    written = base(name).source
    assert written is not None
    whole = leaves(resolved_data(base(name)))
    far = [found for found in whole if found[0].split(".")[0] in ("profile", "blocks")]
    near = [found for found in [*whole, *leaves(plain(written.tree))] if found not in far]
    return [*near * (1 + 3 * len(far) // len(near)), *far]  # what lies in other files is rarely editable


def nudged(value: Any, r: random.Random) -> Any:
    """A value near another: the same one, too."""
    if isinstance(value, bool) or value is None:
        return r.choice([value, not value])
    if isinstance(value, (int, float)):
        return r.choice([value, value + 1, value * 2, value * 2, max(value // 2, 1), float(value), value / 4])
    if isinstance(value, list):
        return r.choice([value, value[:-1], [*value, *value[:1]], [nudged(v, r) for v in value]])
    if isinstance(value, dict):
        return r.choice([value, {k: nudged(v, r) for k, v in value.items()}, dict(list(value.items())[:-1])])
    return value


def edit(found: list[tuple[str, Any]], r: random.Random) -> str:
    path, value = r.choice(found)
    kind = r.random()
    if kind < 0.1:
        path = r.choice(PATHS)
    elif kind < 0.2:
        path = ".".join([*path.split(".")[:-1], r.choice(WORDS)])
    new = nudged(value, r) if r.random() < 0.8 else r.choice([*VALUES, r.choice(found)[1], None, None])
    return f"{path}={json.dumps(new, ensure_ascii=False, allow_nan=True)}"


def outcome(name: str, text: str) -> str:
    """`changed`, or the code of the first problem; anything else is a failure."""
    try:
        after = load(name, overrides=[text])
        build(after)
    except CmtError as error:
        assert error.problems, text
        for problem in error.problems:
            assert problem.code in CODES and problem.message and problem.severity == "error", text
            assert len(str(problem)) < 4000, text
        return error.code
    assert after.resolved() != base(name).resolved(), f"{name}: --set {text} changes nothing, silently"
    return "changed"


def looked_at(seeds: range, models: list[str]) -> list[str]:
    found = []
    for seed in seeds:
        r = random.Random(seed)
        name = r.choice(models)
        found.append(outcome(name, edit(sites(name), r)))
    return found


def test_an_edit_changes_the_model_or_is_an_error() -> None:
    ends = looked_at(range(150), SMALL)
    assert 12 < ends.count("changed") < 100
    assert {"CMT-150", "CMT-151", "CMT-135"} <= set(ends)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_2000_edits_of_all_shipped_models(part: int) -> None:
    start = 10_000 + 500 * part
    assert looked_at(range(start, start + 500), [*SMALL, *MODELS]).count("changed") > 40


def test_an_edit_changes_the_recipe_or_is_an_error() -> None:
    """The fields of the schema, and the values of the file."""
    ends = []
    for seed in range(400):
        r = random.Random(seed)
        name = r.choice(names("recipes"))
        written = leaves(plain(load_document(name, "recipes")))
        text = edit([*written, *((path, None) for path in recipe_paths())], r)
        before = load_recipe(name).resolved()
        try:
            after = load_recipe(name, overrides=(text,))
        except CmtError as error:
            assert all(p.code in {**CODES, **RUNTIME_CODES} and p.message for p in error.problems), text
            ends.append(error.code)
            continue
        assert after.resolved() != before, f"{name}: --set {text} changes nothing, silently"
        ends.append("changed")
    assert ends.count("changed") > 40 and "CMT-151" in ends
