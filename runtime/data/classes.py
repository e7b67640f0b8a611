"""Names of classes and their order: where they come from, and which logit of a model a class of the data is."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cmt_dsl.errors import CmtError, did_you_mean
from cmt_dsl.spec.find import shipped

Sorting = Literal["text", "natural"]
LISTS = ("classes.txt", "classes.json")
"""Lists of class names beside the data, in the order of their numbers."""
IMAGENET = "imagenet"
SHOWN = 12
"""Names of an order that a message shows."""


@dataclass(frozen=True)
class Order:
    """The classes of a data set in the order of their numbers, and who says so."""

    names: tuple[str, ...]
    by: str = "the data's own"
    other: tuple[str, ...] = ()
    """The order by numbers in the names, where it is another and nobody has chosen."""

    def note(self) -> str:
        """What a person should know of the order, in a line; nothing where the data number their classes."""
        if self.other:
            return (
                f"warning: class order: {self.by} ({_some(self.names)}), not by number ({_some(self.other)}); "
                "--class-order text or natural chooses"
            )
        return "" if self.by == Order.by else f"class order: {self.by}"


def natural(name: str) -> tuple[Any, ...]:
    """A key that sorts the numbers in names by value: img2 before img10."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFKC", name))
    return (*((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p), (2, 0, name))


def order_of(
    folders: Iterable[str], root: Path, given: str | None = None, sorting: Sorting | None = None
) -> Order:
    """The order of class folders: by the list `given`, else one beside the data, else sorted. CMT-511."""
    found = sorted(folders)
    beside = next((root / name for name in LISTS if (root / name).is_file()), None)
    if given is not None or (beside is not None and sorting is None):
        source = given if given is not None else str(beside)
        names = class_names(source)
        if unknown := sorted(set(found) - set(names)):
            raise CmtError(
                "CMT-511",
                f"{source} lists {len(names)} classes, and not {_some(unknown)}, for which there "
                f"{'is a folder' if len(unknown) == 1 else 'are folders'} in {root}",
                hint=did_you_mean(unknown[0], names) or "one line for each class: the name of its folder",
            )
        return Order(names, source if given is not None else str(Path(source).name))
    by_number = tuple(sorted(found, key=natural))
    if sorting == "natural":
        return Order(by_number, "folder names by number, as asked for")
    if sorting == "text":
        return Order(tuple(found), "folder names as text, as asked for")
    other = by_number if by_number != tuple(found) else ()
    return Order(tuple(found), "folder names as text", other)


@functools.lru_cache(maxsize=1)
def imagenet() -> dict[str, str]:
    """ImageNet-1K's WordNet identifiers in the order of their numbers, with their words (ILSVRC 2012)."""
    text = (shipped() / "classes" / "imagenet.txt").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in text.splitlines())


def words(name: str) -> str:
    """A class as people call it: the first word of an ImageNet class, else the name itself."""
    return imagenet()[name].split(",")[0] if name in _wnids() else name


def class_names(source: str) -> tuple[str, ...]:
    """The names in the order of their numbers: "imagenet", or a file. CMT-511.

    A file has one name a line (what follows a tab is ignored), or is a JSON list, or a JSON map from number to
    name or to [folder, words].
    """
    if source == IMAGENET:
        return tuple(imagenet())
    text = _text(Path(source))
    if Path(source).suffix.lower() == ".json" or text.lstrip()[:1] in ("[", "{"):
        names = _from_json(source, text)
    else:
        lines = text.splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        names = [line.split("\t")[0].strip() for line in lines]
    for number, name in enumerate(names):
        at = (
            f"{source}:{number + 1}: "
            if text.lstrip()[:1] not in ("[", "{")
            else f"{source}: class {number}: "
        )
        if not name:
            raise _unread(f"{at}there is no name", "one name a line, in the order of the classes' numbers")
        if name in names[:number]:
            raise _unread(f"{at}'{name}' stands already as class {names.index(name)}", "each class once")
    if not names:
        raise _unread(f"{source} names no class", "one name a line, in the order of the classes' numbers")
    return tuple(names)


def match(
    model: int, names: Sequence[str], order: Order, data: str
) -> tuple[tuple[int, ...], tuple[str, ...], str]:
    """(logit of each of the data's classes, the model's class names, a note) for a model of `model` classes.

    By name where the model's names are known (those of ImageNet's 1,000 classes always are), else by number where
    the data's order leaves no doubt. CMT-502 for a class that the model does not have, CMT-512 for doubt.
    """
    if (
        not names
        and model == len(imagenet())
        and order.names
        and set(order.names) <= set(_aliases(tuple(imagenet())))
    ):
        names = tuple(imagenet())
    if names:
        if len(names) != model:
            raise CmtError("CMT-511", f"{len(names)} class names are given, the model has {model} classes")
        return _by_name(tuple(names), order, data)
    if len(order.names) != model:
        raise CmtError(
            "CMT-502",
            f"the model has {model} classes and does not know their names, the data {len(order.names)} ({data})",
            hint="the names in the order of the model's logits: --classes FILE; then some of them are enough",
        )
    if order.other:
        raise CmtError(
            "CMT-512",
            f"the weights do not say in which order their classes are: the folders' names as text "
            f"({_some(order.names)}) or by number ({_some(order.other)})",
            hint="--class-order natural, --class-order text, or --classes FILE with the names in order",
        )
    return tuple(range(model)), order.names, order.note()


def _by_name(names: tuple[str, ...], order: Order, data: str) -> tuple[tuple[int, ...], tuple[str, ...], str]:
    known = {name: number for number, name in enumerate(names)}
    known = {**{alias: known[name] for alias, name in _aliases(names).items()}, **known}
    found = [known.get(name, known.get(_plain(name), -1)) for name in order.names]
    if unknown := [name for name, number in zip(order.names, found, strict=True) if number < 0]:
        raise CmtError(
            "CMT-502",
            f"the model does not know {len(unknown)} of the data's {len(found)} classes: {_some(unknown)} ({data})",
            hint=did_you_mean(unknown[0], names) or f"the model's classes: {_some(names)}",
        )
    if len(set(found)) < len(found):
        first, second = next((a, b) for i, a in enumerate(found) for b in found[:i] if a == b)
        raise CmtError(
            "CMT-502", f"two folders of {data} are both the model's class {names[max(first, second)]}"
        )
    return tuple(found), names, ""


@functools.lru_cache(maxsize=8)
def _aliases(names: tuple[str, ...]) -> Mapping[str, str]:
    """Other spellings of class names, each of one class alone: ImageNet's words and identifiers, Unicode's forms."""
    found: dict[str, set[str]] = {}
    table = imagenet()
    by_words: dict[str, set[str]] = {}
    for wnid, text in table.items():
        for alias in {text, *(part.strip() for part in text.split(","))}:
            by_words.setdefault(alias, set()).add(wnid)
    for name in names:
        own = {_plain(name)}
        if name in table:
            own |= {alias for alias in (table[name], *map(str.strip, table[name].split(","))) if alias}
        elif len(by_words.get(name, ())) == 1:
            own |= by_words[name]
        for alias in own:
            found.setdefault(_plain(alias), set()).add(name)
    return {alias: next(iter(who)) for alias, who in found.items() if len(who) == 1}


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


@functools.lru_cache(maxsize=1)
def _wnids() -> frozenset[str]:
    return frozenset(imagenet())


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unread(
            f"cannot read {path}: {error.strerror}", "--classes takes a file, or 'imagenet'"
        ) from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _unread(f"{path} is UTF-16", "save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _unread(
            f"{path}:{line}: the byte 0x{data[error.start]:02x} is not UTF-8", "save it as UTF-8"
        ) from None


def _from_json(source: str, text: str) -> list[str]:
    try:
        data: Any = json.loads(text)
    except ValueError as error:
        raise _unread(
            f"{source} is not JSON: {error}", "a list of names, or a map from number to name"
        ) from None
    if isinstance(data, Mapping):
        numbers = sorted(int(key) for key in data if str(key).isdecimal())
        if numbers != list(range(len(data))):
            raise _unread(f"{source} does not number its {len(data)} classes from 0", 'as {"0": "name", …}')
        data = [data[str(number)] for number in numbers]
    names = (
        [item[0] if isinstance(item, list) and item else item for item in data]
        if isinstance(data, list)
        else None
    )
    if names is None or not all(isinstance(name, str) for name in names):
        raise _unread(f"{source} holds no list of names", "a list of names, or a map from number to name")
    return [str(name).strip() for name in names]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)})" if len(names) > SHOWN else "")


def _unread(message: str, hint: str) -> CmtError:
    return CmtError("CMT-511", message, hint=hint)
