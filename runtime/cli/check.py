"""The verb `check`: models, blocks, profiles and recipes, each with all that is wrong or odd."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Annotated, Any

import typer

from cmt_dsl.errors import CmtError, Problem
from runtime.cli.options import Json, Sets

Problems = tuple[Problem, ...]


class Kind(str, Enum):
    """What a file can be."""

    model = "model"
    recipe = "recipe"
    block = "block"
    profile = "profile"
    names = "names"
    import_ = "import"


@dataclass(frozen=True)
class Found:
    """A sound file: what it is in a few words, the warnings about it, and more for `--json`."""

    text: str
    warnings: Problems = ()
    facts: dict[str, Any] = field(default_factory=dict)


def check(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC…", help="Models, recipes, blocks, profiles: shipped names or YAML files."
        ),
    ],
    set: Sets = None,
    kind: Annotated[
        Kind | None, typer.Option(help="What the names mean; default: what is found, models first.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Make an error of every warning.")] = False,
    as_json: Json = False,
) -> None:
    """Find every problem of the given files, each with its place.

    And what in them does nothing, as warnings. Exit code 1 if there is a problem; warnings alone leave it 0.
    """
    results: list[dict[str, Any]] = []
    code = 0
    for spec in specs:
        what = kind
        try:
            what = what or kind_of(spec)
            found = _CHECKS[what](spec, set or [], len(specs) == 1)
        except CmtError as error:
            first = error.problems[0]
            given = first.code in ("CMT-101", "CMT-108") and not first.path and not first.via
            code = max(code, 2 if given else 1)
            results.append(_result(spec, what, error.problems))
            if not as_json:
                _tell(spec, error.problems)
            continue
        wrong = tuple(replace(w, severity="error") for w in found.warnings) if strict else ()
        code = max(code, 1 if wrong else 0)
        results.append(_result(spec, what, wrong, () if strict else found.warnings) | found.facts)
        if not as_json and wrong:
            _tell(spec, wrong)
        elif not as_json:
            for warning in found.warnings:
                typer.echo(str(warning), err=True)
            more = f", {_counted(found.warnings, 'warning')}" if found.warnings else ""
            typer.echo(f"{spec}: ok, {found.text}{more}")
    if as_json:
        typer.echo(json.dumps({"ok": code == 0, "specs": results}))
    raise typer.Exit(code)


def _result(spec: str, kind: Kind | None, problems: Problems, warnings: Problems = ()) -> dict[str, Any]:
    return {
        "spec": spec,
        "kind": kind.value if kind else None,
        "ok": not problems,
        "problems": [p.json() for p in problems],
        "warnings": [p.json() for p in warnings],
    }


def _tell(spec: str, problems: Problems) -> None:
    for problem in problems:
        typer.echo(str(problem), err=True)
    typer.echo(f"{spec}: {_counted(problems, 'problem')}", err=True)


def _counted(items: Problems, word: str) -> str:
    return f"{len(items)} {word}" + ("" if len(items) == 1 else "s")


def kind_of(spec: str) -> Kind:
    """What a file says it is, or the first kind that has a shipped file of that name; a model where nothing says."""
    from cmt_dsl.spec.find import Kind as Folder
    from cmt_dsl.spec.find import names

    folders: dict[Kind, Folder] = {
        Kind.model: "models",
        Kind.recipe: "recipes",
        Kind.block: "blocks",
        Kind.profile: "profiles",
    }
    if not spec.endswith((".yaml", ".yml")) and "/" not in spec:
        return next((kind for kind, folder in folders.items() if spec in names(folder)), Kind.model)
    from cmt_dsl.spec import load_document

    tree = load_document(spec)
    # a recipe has a group `model` too, and a training file of MindCV a key of that name
    first = next((Kind(key) for key in tree.items if key in {kind.value for kind in Kind}), Kind.model)
    if first is not Kind.model or "recipe" in tree.items:
        return Kind.recipe if "recipe" in tree.items else first
    if {"extends", "stages", "input"} & tree.items.keys():
        return Kind.model
    from runtime.recipe.mindcv.reading import is_mindcv

    return Kind.recipe if is_mindcv(tree) else Kind.model


def _model(spec: str, sets: list[str], alone: bool) -> Found:
    from cmt_dsl import load, unread
    from runtime.cli.model import built

    restated: list[Problem] = []
    model, graph = built(spec, sets, restated=None if alone else restated)
    # warnings are about the file, not about what an edit leaves unread in it
    warnings = unread(load(spec) if sets else model)
    same = tuple(replace(problem, severity="warning") for problem in restated)
    shapes = f"{graph.input.type} → {graph.output.type}"
    facts = {"fingerprint": graph.fingerprint}
    return Found(f"{len(graph.nodes)} operators, {shapes}", (*same, *warnings), facts)


def _recipe(spec: str, sets: list[str], alone: bool) -> Found:
    from cmt_dsl import build, load
    from runtime.recipe.read import decays_all, load_recipe, recipe_warnings
    from runtime.train.selection import check_against_model

    restated: list[Problem] = []
    recipe = load_recipe(spec, overrides=tuple(sets), restated=None if alone else restated)
    text = f"recipe, {recipe.train.epochs} epochs"
    if recipe.model.name is not None:
        model = load(recipe.model.name, set=recipe.model_sets())
        check_against_model(recipe, build(model))
        decays_all(recipe, model.profile_values)
        text += f" of {recipe.model.name}"
    same = tuple(replace(problem, severity="warning") for problem in restated)
    return Found(text, (*same, *recipe_warnings(spec)))


def _block(spec: str, sets: list[str], alone: bool) -> Found:
    from cmt_dsl.single import check_block

    _no_sets(sets)
    return Found("block", check_block(spec))


def _profile(spec: str, sets: list[str], alone: bool) -> Found:
    from cmt_dsl.single import check_profile

    _no_sets(sets)
    return Found("profile", check_profile(spec))


def _names(spec: str, sets: list[str], alone: bool) -> Found:
    from cmt_dsl.spec import check as check_tree
    from cmt_dsl.spec import load_document
    from cmt_dsl.weights.names import NamesSpec

    _no_sets(sets)
    check_tree(load_document(spec), NamesSpec)
    return Found("names of parameters")


def _import(spec: str, sets: list[str], alone: bool) -> Found:
    from cmt_dsl.spec import check as check_tree
    from cmt_dsl.spec import load_document
    from cmt_dsl.spec.tree import Map
    from runtime.recipe.mindcv.reading import Key

    _no_sets(sets)
    keys = load_document(spec).items.get("keys")
    for name, key in keys.items.items() if isinstance(keys, Map) else ():
        check_tree(key, Key, at=f"keys.{name}")
    return Found("keys of a training file")


def _no_sets(sets: list[str]) -> None:
    if sets:
        raise typer.BadParameter("--set changes models and recipes, not other files")


_CHECKS: dict[Kind, Callable[[str, list[str], bool], Found]] = {
    Kind.model: _model,
    Kind.recipe: _recipe,
    Kind.block: _block,
    Kind.profile: _profile,
    Kind.names: _names,
    Kind.import_: _import,
}
