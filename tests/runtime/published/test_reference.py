"""pretrained:NAME goes wherever a checkpoint does, and fetches nothing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from PIL import Image
from typer.models import ArgumentInfo

from cmt_dsl import build, load
from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import save_checkpoint
from runtime.published import network
from runtime.published.cache import open_cache
from runtime.recipe.read import load_recipe
from runtime.train.start import starting_point
from tests.cli.cmt import cmt
from tests.cli.test_help import ALL
from tests.runtime.checkpoint.samples import checkpoint_of

OTHER = {
    *(("check", "specs"), ("show", "spec"), ("cost", "spec"), ("draw", "spec"), ("compare", "specs")),
    *(("resolve", "spec"), ("schema", "kind"), ("compile", "spec"), ("list", "kind"), ("train", "spec")),
    *(("launch", "words"), ("report", "runs"), ("recipe import", "file"), ("predict", "images")),
    *(("data check", "data"), ("data pack", "folder"), ("weights get", "name"), ("weights path", "name")),
    ("weights remove", "names"),
}
"""Arguments that mean no file of weights."""
NANO = "pretrained:nano"
GREY = {"input.channels": 1}
LINES: dict[str, list[Any]] = {
    "inspect": [NANO],
    "verify": [NANO],
    "diff": [NANO, NANO],
    "average": [NANO, NANO, "-o", "a.safetensors", "--overwrite"],
    "convert": [NANO, "--to", "official", "--overwrite"],
    "adapt": [NANO, "--classes", 3, "-o", "b.safetensors", "--overwrite"],
    "run": [NANO, "--input", "x.npy", "-o", "y.npy", "--overwrite", "--backend", "numpy"],
    "features": [NANO, "--data", "digits", "--limit", 2, "-o", "f.npz", "--overwrite", "--backend", "numpy"],
    "predict": [NANO, "x.png", "--backend", "numpy"],
    "validate": [NANO, "--data", "digits"],
    "optimise": [NANO],
    "export": [NANO, "--format", "hub", "-o", "hub", "--overwrite"],
}
APART = {"bench infer", "verify-export"}
"""Of weights too, but no two outputs of the one are the same, and the other wants data of the sample's classes."""


def arguments() -> Iterator[tuple[str, str, bool]]:
    """(verb, argument, whether it is read as weights are) of every verb."""
    for verb, command in ALL.items():
        for name, hint in get_type_hints(inspect.unwrap(command.callback), include_extras=True).items():  # type: ignore[attr-defined]
            for told in getattr(hint, "__metadata__", ()):
                if isinstance(told, ArgumentInfo):
                    yield verb, name, told.parser is not None


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    """A fetched checkpoint of one-channel images; in `tmp_path` images of both kinds."""
    cache = open_cache()
    cache.make()
    save_checkpoint(cache.file("nano"), replace(checkpoint_of("cmt_nano", **GREY), recipe={}))
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 32, 32), np.float32))
    Image.new("L", (32, 32), 99).save(tmp_path / "x.png")
    return cache.file("nano")


def test_every_argument_takes_weights_or_is_something_else() -> None:
    """A new argument belongs into OTHER, or is of the one type that all arguments for weights have."""
    weights = {(verb, name) for verb, name, reads in arguments() if reads}
    assert {(verb, name) for verb, name, _ in arguments()} - weights == OTHER
    assert {verb for verb, _ in weights} == LINES.keys() | APART


@pytest.mark.parametrize("verb", [verb for verb in LINES if verb != "validate"])
def test_a_name_is_as_good_as_its_file(verb: str, tmp_path: Path, nano: Path) -> None:
    named = cmt(verb, *LINES[verb], cwd=tmp_path)
    given = cmt(verb, *[nano if word == NANO else word for word in LINES[verb]], cwd=tmp_path)
    assert named.code == 0, named.err
    assert (named.code, named.out) == (given.code, given.out)
    assert nano.parent.is_dir() and len(list(nano.parent.iterdir())) == 1  # nothing is written beside it


@pytest.mark.parametrize("verb", LINES)
def test_nothing_is_downloaded_unasked(
    verb: str, tmp_path: Path, nano: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_open", pytest.fail)
    for wrong, words in {
        "cmt_s": "hint: cmt weights get cmt_s\n",
        "cmt_q": "'cmt_s'?",
        "a/b": "no name",
    }.items():
        line = [f"pretrained:{wrong}" if word == NANO else word for word in LINES[verb]]
        done = cmt(verb, *line, cwd=tmp_path)
        assert done.code == 2 and words in done.err and "CMT-65" in done.err
    assert not list(tmp_path.glob("*.safetensors"))


def test_training_starts_from_a_name(tmp_path: Path, nano: Path) -> None:
    recipe = load_recipe("digits", overrides=("train.init=pretrained:nano",))
    graph = build(load("cmt_nano", set=GREY))
    start = starting_point(recipe, graph)
    expected = checkpoint_of("cmt_nano", **GREY).arrays
    assert start.arrays is not None and "pretrained:nano" in start.says[0]
    assert all(np.array_equal(start.arrays[path], value) for path, value in expected.items())
    with pytest.raises(CmtError, match="nothing is downloaded unasked"):
        starting_point(load_recipe("digits", overrides=("train.init=pretrained:cmt_s",)), graph)


def test_init_is_refused_before_there_is_a_run(tmp_path: Path) -> None:
    line = ["--recipe", "digits", "--data", "digits", "--out", "run", "--init", "pretrained:cmt_s"]
    done = cmt("train", "cmt_nano", *line, cwd=tmp_path)
    assert done.code == 2 and "cmt weights get cmt_s" in done.err and not (tmp_path / "run").exists()
