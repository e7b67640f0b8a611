"""A flat DIR/val with a list of labels beside it, as ImageNet's validation images come.

Each line is a file name and a class folder's name, separated by a comma, a tab or a space; what follows is ignored. A
name may lack its extension, and a first line that names neither file nor class is a heading. This reads Kaggle's
LOC_val_solution.csv as it is. ILSVRC2012_validation_ground_truth.txt is refused: its numbers count the classes in an
order that only the development kit knows.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from pathlib import Path, PurePath

from cmt_dsl.errors import CmtError

LABEL_FILES = ("val_labels.txt", "val_labels.csv", "LOC_val_solution.csv")
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"


def labelled(files: Mapping[str, str], classes: Container[str] | None, root: Path) -> dict[str, list[str]]:
    """Paths by class of `files` (path by name) in DIR/val; CMT-508 unless the list gives each one a known class.

    `classes` are those of train/; None takes what the list says.
    """
    list_ = _find(root, LABEL_FILES)
    if list_ is None:
        truth = _find(root, (GROUND_TRUTH,))
        why = f" ({truth.name} numbers them in an order of its own)" if truth else ""
        raise CmtError(
            "CMT-508",
            f"{root / 'val'} holds {len(files)} images but no class folders, and nothing says their classes{why}",
            hint=f"move them into val/CLASS/, or write lines 'FILE CLASS' into {root / LABEL_FILES[0]} "
            f"(Kaggle's {LABEL_FILES[2]} is read as it is)",
        )
    by_stem = {PurePath(name).stem: name for name in files}
    found: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    for number, line in enumerate(_lines(list_), 1):
        words = [word for word in re.split(r"[,\t ]+", line.strip()) if word]
        if not words:
            continue
        name = words[0] if words[0] in files else by_stem.get(PurePath(words[0]).name, "")
        label = words[1] if len(words) > 1 else ""
        known = label != "" and (classes is None or label in classes)
        if number == 1 and not name and (classes is None or not known):
            continue
        if not name or not known or name in seen:
            if not name:
                wrong = f"there is no image {words[0]} in {root / 'val'}"
            elif not known:
                wrong = f"'{label}' is no class folder of {root / 'train'}"
            else:
                wrong = f"{name} has a class already, in line {seen[name]}"
            raise CmtError("CMT-508", f"{list_}:{number}: {wrong}", hint="each line is 'FILE CLASS'")
        seen[name] = number
        found.setdefault(label, []).append(files[name])
    if missing := sorted(set(files) - set(seen)):
        raise CmtError(
            "CMT-508",
            f"{list_} gives no class for {len(missing)} of {len(files)} images, the first {missing[0]}",
            hint="add them to the list, or remove them from val/",
        )
    return {name: sorted(paths) for name, paths in found.items()}


def _find(root: Path, names: tuple[str, ...]) -> Path | None:
    places = (folder / name for folder in (root, root / "val") for name in names)
    return next((path for path in places if path.is_file()), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CmtError("CMT-508", f"cannot read {path}: {error}") from None
