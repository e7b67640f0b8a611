"""A list of labels beside DIR/val, as ImageNet's validation images come.

A line names a file and its class folder. Between them stands a tab, a semicolon or a comma (the csv module reads
quotes; other columns may stand around them), or a blank: then the longest known file name at the start of the line
is the file's. A file is named by its path below val/, with `/` or `\\`; its ending may be missing, and so may its
folders where the name is only once there. A first line that names neither file nor class is a heading. Kaggle's
LOC_val_solution.csv is read as it is. ILSVRC2012_validation_ground_truth.txt is refused: its numbers count the
classes in an order that only the development kit knows.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cmt_dsl.errors import CmtError, Place, did_you_mean
from runtime.data.stores.listing import LOOKED_AT, Row, read_rows
from runtime.data.stores.spellings import Spellings
from runtime.data.stores.walk import printable

KAGGLE = "LOC_val_solution.csv"
LABEL_FILES = ("val_labels.txt", "val_labels.csv", KAGGLE)
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
HEADINGS = ("label", "labels", "class", "class_name", "classname", "category", "target", "wnid", "synset")
BOXES = re.compile(r"^(\S+)(?: -?\d+){4}(?: \S+(?: -?\d+){4})*$")
"""What Kaggle writes of an image: a class and its box, for each box."""


def labelled(
    files: dict[str, str], classes: set[str] | None, root: Path, split: Path, train: Path
) -> dict[str, list[str]]:
    """Paths by class of `files` (path by path below `split`); CMT-508 unless the list gives each one a known class.

    `classes` are those of the folder `train`; None takes what the list says.
    """
    list_ = find_list(root, split)
    if list_ is None:
        truth = _find(root, split, (GROUND_TRUTH,))
        why = f" ({truth.name} numbers them in an order of its own)" if truth else ""
        raise CmtError(
            "CMT-508",
            f"{split} holds {len(files)} images but no class folders, and nothing says their classes{why}",
            hint=f"move them into {split.name}/CLASS/, or write lines 'FILE CLASS' into {root / LABEL_FILES[0]} "
            f"(Kaggle's {KAGGLE} is read as it is)",
        )
    names, folders = Spellings(files, split.name), _Folders(classes)
    found: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    for number, (row, (file, label)) in enumerate(_pairs(list_, names, folders)):
        matches, known = names.find(file), folders.find(label)
        if number == 0 and not matches and (classes is None or known is None):
            continue  # a heading
        where = Place(str(list_), row.line, 1)
        if len(matches) != 1:
            raise _unknown(where, file, matches, split, names)
        [name] = matches
        if known is None:
            label = boxes[1] if (boxes := BOXES.match(label)) else label
            hint = "" if classes is None else did_you_mean(label, sorted(map(printable, classes)))
            wrong = f"'{label}' is no class folder of {train}" if label else f"{name} is given no class"
            raise CmtError("CMT-508", wrong, place=where, hint=hint or "each line is 'FILE CLASS'")
        if name in seen:
            wrong = f"{name} has a class already, in line {seen[name]}"
            raise CmtError("CMT-508", wrong, place=where, hint="each image once: remove one of the lines")
        seen[name] = row.line
        found.setdefault(known, []).append(files[name])
    if missing := sorted(set(files) - set(seen)):
        raise CmtError(
            "CMT-508",
            f"{list_} gives no class for {len(missing)} of {len(files)} images, the first {printable(missing[0])}",
            hint=f"add them to the list, or remove them from {split.name}/",
        )
    return {name: sorted(paths) for name, paths in found.items()}


def describes(list_: Path, files: Sequence[str], split: str) -> bool:
    """Whether a list speaks of these files, paths below the folder of that name."""
    names = Spellings(dict.fromkeys(files, ""), split)
    return any(names.find(file) for _, (file, _) in _pairs(list_, names, _Folders(None)))


def find_list(root: Path, split: Path) -> Path | None:
    """The list of labels beside or in the folder of a split."""
    own = [f"{split.name}_labels{end}" for end in (".txt", ".csv")]
    return _find(root, split, (*own, *LABEL_FILES))


def _find(root: Path, split: Path, names: Sequence[str]) -> Path | None:
    places = (folder / name for folder in (root, split) for name in names)
    return next((path for path in places if path.is_file()), None)


class _Folders:
    """Class folders by what a list calls them; without known ones all that it says."""

    def __init__(self, classes: set[str] | None):
        self.anything = classes is None
        """Whether no class is known."""
        self._known = {unicodedata.normalize("NFC", name): name for name in classes or ()}

    def find(self, label: str) -> str | None:
        """The class folder, None if there is none: columns that follow it behind a blank are left out."""
        if self.anything:
            boxes = BOXES.match(label)
            return boxes[1] if boxes else label or None
        plain = unicodedata.normalize("NFC", label).strip()
        return next((self._known[part] for part in _beginnings(plain) if part in self._known), None)


def _pairs(list_: Path, names: Spellings, folders: _Folders) -> Iterator[tuple[Row, tuple[str, str]]]:
    """File and class of each row, as they are written."""
    by_blanks = functools.partial(_by_blanks, names=names, folders=folders)
    rows = read_rows(list_, lambda field: bool(names.find(field)), lambda line: bool(by_blanks(line)))
    if not any(len(row.fields) > 1 for row in rows):
        for row in rows:
            line = row.fields[0].strip()
            first, *rest = line.split(None, 1) or ("",)
            yield row, by_blanks(line) or (first, rest[0] if rest else "")
        return
    file = _most(rows, names.clearness, besides=None)
    label = _label_column(rows, file, names, folders)
    for row in rows:
        padded = (*row.fields, *[""] * (1 + max(file, label)))
        yield row, (padded[file], padded[label])


def _label_column(rows: list[Row], file: int, names: Spellings, folders: _Folders) -> int:
    """Of the classes: where known ones stand, else what the heading says, else beside the file's."""
    beside = file + 1 if any(len(row.fields) > file + 1 for row in rows[:LOOKED_AT]) else max(file - 1, 0)
    if not folders.anything:
        return _most(rows, lambda field: int(folders.find(field) is not None), besides=file, first=beside)
    heading = [field.lower() for field in rows[0].fields]
    named = [i for i, field in enumerate(heading) if field in HEADINGS and i != file]
    return named[-1] if named and not any(names.find(field) for field in rows[0].fields) else beside


def _most(rows: list[Row], fits: Callable[[str], int], *, besides: int | None, first: int = 0) -> int:
    """The column whose fields fit best; `first` where none does better."""
    some = rows[:LOOKED_AT]
    counts = {
        column: sum(fits(row.fields[column]) for row in some if len(row.fields) > column)
        for column in range(max(len(row.fields) for row in some))
        if column != besides
    }
    return max(counts, key=lambda column: (counts[column], column == first, -column), default=first)


def _by_blanks(line: str, names: Spellings, folders: _Folders) -> tuple[str, str] | None:
    """File and class of a line: the longest known file name that it begins with, or what stands in quotes.

    A shorter one where only then what follows is a class.
    """
    quoted = re.match(r'^"([^"]*)"\s+"?(.*?)"?\s*$', line)
    if quoted and names.find(quoted[1]):
        return quoted[1], quoted[2]
    ends = reversed([match.start() for match in re.finditer(r"\s+", line.strip())])
    found = [(line[:end], line[end:].strip().strip('"')) for end in ends if names.find(line[:end])]
    known = (pair for pair in found if folders.find(pair[1]) is not None)
    return next(known, found[0] if found else None)


def _beginnings(text: str) -> Iterator[str]:
    """A text, and ever shorter beginnings of it, by blanks."""
    while text:
        yield text
        text = text.rpartition(" ")[0].rstrip()


def _unknown(where: Place, file: str, matches: Sequence[str], split: Path, names: Spellings) -> CmtError:
    if matches:
        some = ", ".join(sorted(map(printable, matches))[:3])
        wrong, hint = f"{file} is {len(matches)} images: {some}", f"write the path below {split.name}/"
    else:
        wrong, hint = f"there is no image {file} in {split}", names.near(file)
    return CmtError("CMT-508", wrong, place=where, hint=hint or "each line is 'FILE CLASS'")
