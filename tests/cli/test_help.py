"""What `cmt --help` shows: every verb in a panel, one line each, nothing cut off or swallowed at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from runtime.cli.app import PANELS, app

SILENT = {"draw", "schema", "launch", "recipe import"}
"""Verbs that report nothing: a drawing, JSON already, another verb's words, a file."""


def verbs() -> Iterator[tuple[str, object]]:
    group: Any = get_command(app)
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {each}", it) for each, it in inner.items()) if inner else [(name, command)]


ALL = dict(verbs())


def shown(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert done.exit_code == 0
    return done.output


def test_the_verbs_in_their_panels_a_line_each() -> None:
    lines = [line.strip("│ ") for line in shown().splitlines()]
    assert [line.split()[1] for line in lines if "╭─" in line] == ["Options", *PANELS]
    names = [name for verbs in PANELS.values() for name in verbs]
    for name in names:
        (line,) = [line for line in lines if line.split(" ")[0] == name]
        assert line.endswith(".") and len(line) <= 76, line


@pytest.mark.parametrize("verb", ALL)
def test_help_of_a_verb(verb: str) -> None:
    text = shown(*verb.split())
    assert all(len(line) <= 80 for line in text.splitlines())
    for parameter in ALL[verb].params:  # type: ignore[attr-defined]
        said = getattr(parameter, "help", None)
        if said:
            flat = " ".join(text.replace("│", " ").split())
            assert said.split(" ")[0] in flat and "[n" not in said, said  # Rich takes [words] for markup


@pytest.mark.parametrize("verb", sorted(ALL.keys() - SILENT))
def test_every_verb_that_reports_takes_json(verb: str) -> None:
    assert "--json" in shown(*verb.split())
