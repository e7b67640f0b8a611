"""A list of labels beside DIR/val, as ImageNet's validation images come.

Each line is a file and the name of its class folder, separated by a comma, a semicolon or a tab, quoted where they
hold one (the csv module), or by blanks: then the longest known file name at the start of the line is the file's. A
file is named by its path below val/; its ending may be missing, and so may its folders where the name is only once
there. A first line that names neither file nor class is a heading. Kaggle's LOC_val_solution.csv is read as it is.
ILSVRC2012_validation_ground_truth.txt is refused: its numbers count the classes in an order that only the development
kit knows.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath

from cmt_dsl.errors import CmtError

LABEL_FILES = ("val_labels.txt", "val_labels.csv", "LOC_val_solution.csv")
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
DELIMITERS = ",;\t"


def labelled(
    files: Mapping[str, str], classes: Container[str] | None, root: Path, split: Path
) -> dict[str, list[str]]:
    """Paths by class of `files` (path by path below `split`); CMT-508 unless the list gives each one a known class.

    `classes` are those of train/; None takes what the list says.
    """
    list_ = find_list(root, split)
    if list_ is None:
        truth = _find(root, split, (GROUND_TRUTH,))
        why = f" ({truth.name} numbers them in an order of its own)" if truth else ""
        raise CmtError(
            "CMT-508",
            f"{split} holds {len(files)} images but no class folders, and nothing says their classes{why}",
            hint=f"move them into {split.name}/CLASS/, or write lines 'FILE CLASS' into {root / LABEL_FILES[0]} "
            f"(Kaggle's {LABEL_FILES[2]} is read as it is)",
        )
    names = _Names(files)
    found: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    for number, words in _rows(list_, names):
        name, label = names.find(words[0]), words[1] if len(words) > 1 else ""
        if classes is not None and label not in classes:  # columns that follow
            label = next((part for part in _beginnings(label) if part in classes), label)
        known = label != "" and (classes is None or label in classes)
        if number == 1 and not name and (classes is None or not known):
            continue
        if not name or not known or name in seen:
            if not name:
                wrong = f"there is no image {words[0]} in {split}"
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
            hint=f"add them to the list, or remove them from {split.name}/",
        )
    return {name: sorted(paths) for name, paths in found.items()}


class _Names:
    """Images by the spellings that lists use: with folders or without, with ending or without, \\ for /, any Unicode form."""

    def __init__(self, files: Mapping[str, str]):
        self._known: dict[str, str] = {}
        several: set[str] = set()
        for depth in range(2):  # exact spellings go before short ones
            for name in files:
                path = PurePosixPath(_plain(name))
                spellings = [str(path)] if depth == 0 else [path.name, str(path.with_suffix("")), path.stem]
                for spelling in dict.fromkeys(spellings):
                    if self._known.setdefault(spelling, name) != name:
                        several.add(spelling)
        for spelling in several - {_plain(name) for name in files}:
            del self._known[spelling]
        self.longest = max((len(name.split()) for name in self._known), default=1)

    def find(self, word: str) -> str:
        """The image that a word of the list means; "" for none."""
        path = _plain(word)
        return self._known.get(path) or self._known.get(path.partition("/")[2], "")

    def __contains__(self, word: str) -> bool:
        return bool(self.find(word))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./").strip()


def _rows(path: Path, names: _Names) -> Iterator[tuple[int, list[str]]]:
    """Line number, file and class of each line; fields that follow are left out."""
    text = _text(path)
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(DELIMITERS, key=lambda sign: (_fields(lines, sign), -DELIMITERS.index(sign)))
    if path.name == LABEL_FILES[2]:
        delimiter = ","
    if delimiter in first and _fields(lines, delimiter) > 0:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        try:
            for row in reader:
                words = [word.strip() for word in row]
                if any(words):
                    if path.name == LABEL_FILES[2] and len(words) > 1:
                        words[1] = words[1].split()[0] if words[1].split() else ""  # boxes follow
                    yield reader.line_num, words[:2]
        except csv.Error as error:
            raise CmtError(
                "CMT-508", f"{path}:{reader.line_num}: {error}", hint="quote as CSV does"
            ) from None
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _by_blanks(line.strip(), names)


def _fields(lines: list[str], delimiter: str) -> int:
    """How many of the first lines a delimiter cuts in two or more."""
    return sum(delimiter in line for line in lines[:50])


def _by_blanks(line: str, names: _Names) -> list[str]:
    """File and class of a line without a delimiter: the longest known file name first, else the first word."""
    parts = line.split(" ")
    for end in range(len(parts) - 1, 0, -1):
        if (name := " ".join(parts[:end]).strip('"')) in names:
            return [name, " ".join(parts[end:]).strip().strip('"')]
    return [parts[0], " ".join(parts[1:]).strip()]


def _beginnings(text: str) -> Iterator[str]:
    """Ever shorter beginnings of a text, by blanks."""
    while " " in text:
        text = text.rpartition(" ")[0].strip()
        yield text


def names_folders(list_: Path) -> bool:
    """Whether a list of labels speaks of files in folders."""
    return any(sign in line for line in _text(list_).splitlines()[:2] for sign in ("/", "\\"))


def find_list(root: Path, split: Path) -> Path | None:
    """The list of labels beside or in the folder of a split."""
    return _find(root, split, LABEL_FILES)


def _find(root: Path, split: Path, names: tuple[str, ...]) -> Path | None:
    places = (folder / name for folder in (root, split) for name in names)
    return next((path for path in places if path.is_file()), None)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CmtError("CMT-508", f"cannot read {path}: {error.strerror}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:64]:
        raise CmtError("CMT-508", f"{path} is UTF-16, not UTF-8", hint=f"iconv -f UTF-16 -t UTF-8 {path}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"{path}:{line}: the byte 0x{data[error.start]:02x} is not UTF-8"
        raise CmtError(
            "CMT-508", message, hint=f"save it as UTF-8: iconv -f LATIN1 -t UTF-8 {path}"
        ) from None
