"""Every error the language can raise: one tree, a closed list of codes, places in files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

CODES: dict[str, str] = {
    # 1xx: reading a file
    "CMT-101": "file or name not found",
    "CMT-102": "file too large",
    "CMT-103": "not valid YAML",
    "CMT-104": "YAML tags are not part of the language",
    "CMT-105": "nested too deeply",
    "CMT-106": "too many values once aliases are expanded",
    "CMT-107": "the same key twice",
    "CMT-108": "not UTF-8 text, or not readable",
    "CMT-109": "the document is not a mapping, or of another kind",
    # 11x: keys and values
    "CMT-110": "unknown key",
    "CMT-111": "value of the wrong type or out of bounds",
    "CMT-112": "missing key",
    # 12x: expressions
    "CMT-120": "expression not understood",
    "CMT-121": "unknown name in an expression",
    "CMT-122": "not allowed in an expression",
    "CMT-123": "expression cannot be computed",
    # 13x: references
    "CMT-130": "unknown block",
    "CMT-131": "unknown operator",
    "CMT-132": "unknown input node",
    "CMT-133": "cyclic extends",
    "CMT-134": "block contains itself",
    "CMT-135": "path in set not found",
    "CMT-136": "name used twice",
    "CMT-137": "graph too large",
    "CMT-138": "node that feeds nothing",
    # 14x: arguments of blocks and attributes of operators
    "CMT-140": "unknown argument",
    "CMT-141": "missing argument",
    "CMT-142": "argument of the wrong type or out of bounds",
    # 15x: edits that do not do what they say
    "CMT-150": "an edit that something else overrides",
    "CMT-151": "an edit that leaves the model or the recipe as it is",
    # 16x: warnings, see WARNINGS
    "CMT-160": "a value that is overridden wherever it would apply",
    "CMT-161": "a value or an attribute of a profile that nothing reads",
    "CMT-162": "a block that nothing uses",
    "CMT-163": "a name of a block that nothing reads",
    "CMT-164": "a setting of a model that nothing reads",
    "CMT-165": "an edit in a file that says what stands already",
    # 2xx: shapes
    "CMT-201": "channels do not divide",
    "CMT-202": "window does not fit the grid",
    "CMT-203": "shapes do not match",
    "CMT-204": "wrong kind of tensor",
    "CMT-205": "wrong number of inputs",
    # 3xx, 4xx: graph, lowering and weights
    "CMT-301": "graph invariant broken",
    "CMT-302": "a graph cannot be changed in this way",
    "CMT-303": "a text is not a graph",
    "CMT-304": "a pass failed",
    "CMT-309": "not a form that a model can be exported in",
    "CMT-402": "weights do not fit the graph",
    "CMT-403": "input array does not fit the model",
    "CMT-404": "no value of that name in the model, or none that a Cell can give",
    # 41x: drawings
    "CMT-410": "no such part of the model",
    "CMT-411": "no Graphviz to draw with",
    "CMT-412": "Graphviz failed",
    "CMT-413": "unknown format of a drawing",
    "CMT-414": "no library to plot with",
    # 43x: the explorer page
    "CMT-430": "Graphviz gave no layout",
    "CMT-431": "a spec file changed while it was drawn",
}

WARNINGS = frozenset(code for code in CODES if code.startswith("CMT-16"))
"""Codes of what is odd and not wrong: a declaration that nothing reads. `--strict` makes errors of them."""


@dataclass(frozen=True, order=True)
class Place:
    """A position in a text, counted from 1; line 0 is all of it, such as one `--set`."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what, what to do."""

    code: str
    message: str
    place: Place | None = None
    path: str = ""
    hint: str = ""
    via: tuple[tuple[Place, str], ...] = ()
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        kind = self.severity if self.severity == "warning" else ""
        head = ": ".join(str(part) for part in (self.place, kind, self.path, self.message) if part)
        lines = [f"{head} [{self.code}]"]
        lines += [f"  at {place}: {path}" for place, path in self.via]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def json(self) -> dict[str, object]:
        """The problem as plain data for `--json`."""
        at = self.place
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "path": self.path,
            "hint": self.hint,
            "file": at.file if at else None,
            "line": at.line if at else None,
            "column": at.column if at else None,
            "via": [{"place": str(place), "path": path} for place, path in self.via],
        }


class CmtError(Exception):
    """Base of all errors meant for people; carries one `Problem` or more."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        place: Place | None = None,
        path: str = "",
    ) -> None:
        self.problems: tuple[Problem, ...] = (Problem(code, message, place, path, hint),)
        super().__init__(message)

    @property
    def code(self) -> str:
        """Code of the first problem."""
        return self.problems[0].code

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class SpecError(CmtError):
    """All the problems of a spec, in the order of their places, each once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        first_of: dict[tuple[object, ...], Problem] = {}
        for p in problems:  # repeated blocks repeat their problems: the same place, other paths
            first_of.setdefault((p.code, p.message, p.place), p)
        unique = list(first_of.values())
        unique.sort(key=lambda p: p.place or Place("", 0, 0))
        first = unique[0]
        super().__init__(first.code, first.message)
        self.problems = tuple(unique)


class AlreadyReported(CmtError):
    """What follows from a problem that is reported already; says nothing itself."""

    def __init__(self) -> None:
        super().__init__("CMT-301", "follows from another problem")
        self.problems = ()

    @property
    def code(self) -> str:
        """CMT-301, though there is no problem to tell."""
        return "CMT-301"


class ShapeError(CmtError):
    """An operator cannot take these inputs; `attribute` names the culprit where there is one."""

    def __init__(self, code: str, message: str, *, attribute: str = "", hint: str = "") -> None:
        super().__init__(code, message, hint=hint)
        self.attribute = attribute


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint naming the nearest known word, or all of them when few."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    if known and len(known) <= 12:
        return "known: " + ", ".join(known)
    return ""
