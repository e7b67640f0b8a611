"""Where specs lie: a path as given, beside the file that names it, or the shipped tree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from cmt_dsl.errors import CmtError, Place, did_you_mean

Kind = Literal["models", "blocks", "profiles", "recipes"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def shipped() -> Path:
    """The `specs/` tree: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


def names(kind: Kind) -> list[str]:
    """Names of the shipped files of a kind, sorted."""
    return sorted(path.stem for path in (shipped() / kind).glob("*.yaml"))


def find(
    name: str,
    kind: Kind,
    *,
    near: Path | None = None,
    place: Place | None = None,
    path: str = "",
    also: Iterable[str] = (),
) -> Path:
    """The file that `name` means: a path (with a separator or `.yaml`), or a name.

    A name is looked for beside `near` (the file that mentions it), in `near`'s sibling folder of
    that kind, then among the shipped specs. Raises CMT-101, or CMT-130 for a block; `also` are names
    that would have been right too.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name or name in (".", ".."):
        base = near.parent if near and not Path(name).is_absolute() else Path()
        file = base / name
        if not _exists(file):
            message = f"there is no file '{_short(name)}'"
            raise CmtError("CMT-101", message, place=place, path=path)
        if file.is_dir():
            hint = _inside(name, file, kind)
            raise CmtError("CMT-101", f"'{_short(name)}' is a folder", place=place, path=path, hint=hint)
        return file
    folders = [near.parent, near.parent.parent / kind] if near else []
    for folder in [*folders, shipped() / kind]:
        file = folder / f"{name}.yaml"
        if _exists(file) and _is(file, kind):
            return file
    known = sorted(
        {*also} | {f.stem for folder in [*folders[1:], shipped() / kind] for f in folder.glob("*.yaml")}
    )
    code = "CMT-130" if kind == "blocks" else "CMT-101"
    raise CmtError(
        code,
        f"there is no {kind.removesuffix('s')} '{_short(name)}'",
        hint=did_you_mean(name, known),
        place=place,
        path=path,
    )


def _inside(name: str, folder: Path, kind: Kind) -> str:
    """A hint that names some of the files of that kind in a folder."""
    try:
        found = sorted(f.name for f in folder.glob("*.y*ml") if _is(f, kind))
    except OSError:
        found = []
    if not found:
        return f"name a {kind.removesuffix('s')} file, or a shipped one: " + ", ".join(names(kind)[:6])
    some = [(Path(name) / file).as_posix() for file in found[:3]]
    return f"it holds {', '.join(some)}" + (", …" if len(found) > 3 else "")


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except (OSError, ValueError):  # a name too long for the file system, or with a NUL in it
        return False


def _short(name: str) -> str:
    shown = repr(name)[1:-1]
    return shown if len(shown) <= 60 else shown[:59] + "…"


def _is(file: Path, kind: Kind) -> bool:
    """Whether a file declares that kind: a model and a block of one name may share a folder."""
    word = kind.removesuffix("s") + ":"
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return any(line.startswith(word) for _, line in zip(range(200), lines, strict=False))
    except OSError:
        return False


def shown(path: Path) -> str:
    """How messages call a file: relative to the working directory where it lies below it.

    A shipped one is `specs/…`, unless that would name a file of the user's.
    """
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        tree = shipped()
        resolved = path.resolve()
        if resolved.is_relative_to(tree):
            name = "specs/" + resolved.relative_to(tree).as_posix()
            return str(resolved) if Path(name).exists() else name
        return str(path)


def shared_names(names: Iterable[str], model: Path | None) -> dict[str, str]:
    """How drawings and pages, which are passed on, call the files that messages call `names`; each another name.

    Shipped files are `specs/…`, others relative to the folder of `model`; no folder of this machine is in them.
    """
    found: dict[str, str] = {}
    for name in names:
        wanted, count = _shared(name, model), 1
        while wanted in found.values():
            count += 1
            wanted = f"{_shared(name, model)} ({count})"
        found[name] = wanted
    return found


def _shared(name: str, model: Path | None) -> str:
    file = Path(os.path.abspath(opened(name)))  # noqa: PTH100  links stay: people know them by these names
    if not _exists(file):
        return Path(name).name if Path(name).is_absolute() else name
    if file.resolve().is_relative_to(shipped()):
        return "specs/" + file.resolve().relative_to(shipped()).as_posix()
    base = Path(os.path.abspath(model.parent if model else "."))  # noqa: PTH100
    relative = Path(os.path.relpath(file, base))
    climbs = relative.parts.count("..")
    return relative.as_posix() if climbs <= 2 else "/".join(file.parts[-2:])


def opened(name: str) -> Path:
    """The file that `shown` called by this name."""
    path = Path(name)
    return shipped().parent / name if name.startswith("specs/") and not _exists(path) else path
