"""Seeded mutations of spec files: of their data, and of their text."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from cmt_dsl.spec.tree import plain, read_text

SPECS = Path(__file__).resolve().parent.parent.parent / "specs"
FILES = sorted([*(SPECS / "models").glob("*.yaml"), *(SPECS / "blocks").glob("*.yaml")])
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 7, 10**6, 10**15, 10**30, -(10**12), 0.5, -0.1, 1e-300, 1e300, float("inf"),
    float("nan"), "", " ", "x", "a.b", "é漢🙂", "\u0000", "\u202e", "x" * 400, "$", "$x", "$x.channels", "$1 / 0",
    "$nothing", "$9**9**9", "$().__class__", "$round(1, -99999999)", "$profile.head", "$profile", "../cmt.yaml",
    "/etc/passwd", "/", "cmt", "lpu", "relu", "conv2d", "parameter", "input", "true", "1e-6", "1", [], {}, [[]],
    [None], {"a": 1}, [1, 2, 3], {"block": "cmt"}, {"op": "relu"}, ["x", "x"], "when", "in", "x y", "!!tag", "*a", "&a",
]  # fmt: skip
Site = tuple[Any, Any]


def sites(data: Any) -> list[Site]:
    """Every (container, key or index) of the data."""
    found: list[Site] = []
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(items):
        found.append((data, key))
        found += sites(value)
    return found


def delete(data: Any, r: random.Random) -> None:
    box, key = r.choice(sites(data))
    del box[key]


def change(data: Any, r: random.Random) -> None:
    box, key = r.choice(sites(data))
    box[key] = r.choice(VALUES)


def nudge(data: Any, r: random.Random) -> None:
    """A scalar becomes another of its type: what is still well formed, but may no longer fit."""
    places = sites(data)
    box, key = r.choice([(b, k) for b, k in places if not isinstance(b[k], (list, dict))])
    value = box[key]
    if isinstance(value, bool) or value is None:
        box[key] = not value
    elif isinstance(value, (int, float)):
        box[key] = r.choice(
            [
                value + 1,
                value - 1,
                value * 2,
                value * 3,
                value / 2 if isinstance(value, float) else value // 2,
            ]
        )
    else:
        box[key] = r.choice([b[k] for b, k in places if isinstance(b[k], str)])


def rename(data: Any, r: random.Random) -> None:
    box, key = r.choice([site for site in sites(data) if isinstance(site[0], dict)])
    name = str(key)
    new = r.choice(
        [name[:-1], name + "s", name.upper(), name[::-1], "", "x", "op", "block", "é", "1", name + ".a"]
    )
    box[new] = box.pop(key)


def copy(data: Any, r: random.Random) -> None:
    box, key = r.choice(sites(data))
    other, place = r.choice(sites(data))
    value = deepcopy(box[key])
    if isinstance(other, list):
        other.insert(place, value)
    else:
        other[place] = value


def swap(data: Any, r: random.Random) -> None:
    """A list becomes a mapping, a mapping a list, a scalar a list of itself."""
    box, key = r.choice(sites(data))
    value = box[key]
    if isinstance(value, list):
        box[key] = {f"k{i}": item for i, item in enumerate(value)}
    elif isinstance(value, dict):
        box[key] = [{name: item} for name, item in value.items()]
    else:
        box[key] = [value]


def grow(data: Any, r: random.Random) -> None:
    lists = [(box, key) for box, key in sites(data) if isinstance(box[key], list) and box[key]]
    if lists:
        box, key = r.choice(lists)
        box[key] = box[key] * r.choice([2, 40, 300])
    else:
        change(data, r)


def truncate(text: str, r: random.Random) -> bytes:
    return text[: r.randrange(len(text))].encode()


def insert_bytes(text: str, r: random.Random) -> bytes:
    raw = bytearray(text.encode())
    for _ in range(r.randint(1, 6)):
        raw.insert(r.randrange(len(raw)), r.randrange(256))
    return bytes(raw)


def insert_signs(text: str, r: random.Random) -> bytes:
    signs = [
        *list("{}[]:,-#&*!|>'\"%@`?$\t\n"),
        ": ",
        "- ",
        "---\n",
        "...\n",
        "<<: ",
        "\ufeff",
        "\u2028",
        "\x85",
    ]
    for _ in range(r.randint(1, 3)):
        at = r.randrange(len(text))
        text = text[:at] + r.choice(signs) + text[at:]
    return text.encode()


def remove_signs(text: str, r: random.Random) -> bytes:
    places = [i for i, c in enumerate(text) if c in "{}[]:,-'\"$"]
    gone = set(r.sample(places, min(len(places), r.randint(1, 3))))
    return "".join(c for i, c in enumerate(text) if i not in gone).encode()


def shuffle(text: str, r: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    i, j = r.randrange(len(lines)), r.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return "".join(lines).encode()


def repeat(text: str, r: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    i = r.randrange(len(lines))
    return "".join([*lines[:i], lines[i] * r.choice([2, 3, 500]), *lines[i + 1 :]]).encode()


def indent(text: str, r: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    i = r.randrange(len(lines))
    lines[i] = r.choice([" ", "   ", "\t", ""]) + r.choice([lines[i], lines[i].lstrip()])
    return "".join(lines).encode()


DATA: tuple[Callable[[Any, random.Random], None], ...] = (
    nudge, nudge, nudge, nudge, nudge, delete, delete, change, change, change, rename, copy, swap, grow,
)  # fmt: skip
TEXT: tuple[Callable[[str, random.Random], bytes], ...] = (
    truncate, insert_bytes, insert_signs, remove_signs, shuffle, repeat, indent,
)  # fmt: skip


def mutation(seed: int) -> tuple[str, str, bytes]:
    """What was done, the kind of file (models or blocks), and the bytes of the mutated file."""
    r = random.Random(seed)
    file = r.choice(FILES)
    text = file.read_text(encoding="utf-8")
    if r.random() < 0.6:
        data = plain(read_text(text, file.name))
        names = []
        for _ in range(r.choice([1, 1, 2])):
            how = r.choice(DATA)
            names.append(how.__name__)
            how(data, r)
        raw = yaml.safe_dump(data, sort_keys=False, allow_unicode=r.random() < 0.5).encode()
        return f"{file.stem}: {' and '.join(names)}", file.parent.name, raw
    done = r.choice(TEXT)
    return f"{file.stem}: {done.__name__}", file.parent.name, done(text, r)
