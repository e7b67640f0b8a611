"""What an exported file says of itself, read back and checked; a foreign file says nothing, and that is no mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.deploy.metadata import (
    CLASSES,
    FINGERPRINT,
    FLAVOUR,
    INPUT,
    INPUTS,
    KEYS,
    OUTPUT,
    OUTPUTS,
    PRECISION,
    PRECISIONS,
    PREPROCESSING,
    SPEC,
    VERSION,
    Metadata,
    Precision,
    Preprocessing,
)

LONGEST = 4_000_000  # characters of one text; a spec has a few thousand, 1,000 class names some ten thousand
MOST_CLASSES = 1_000_000
LARGEST_SIDE = 65_536


def told(props: Mapping[str, str], path: object) -> Metadata:
    """The metadata among a file's properties; CMT-858 where a key of ours holds what it cannot mean."""
    ours = {key: props[key] for key in KEYS if key in props}
    for key, text in ours.items():
        if len(text) > LONGEST:
            raise _odd(path, key, f"{len(text):,} characters", f"at most {LONGEST:,}")
    precision: Precision | None = None
    if PRECISION in ours:
        precision = _one_of(PRECISIONS, ours[PRECISION], PRECISION, path)
    return Metadata(
        spec=ours.get(SPEC, ""),
        fingerprint=ours.get(FINGERPRINT, ""),
        preprocessing=_preprocessing(ours[PREPROCESSING], path) if PREPROCESSING in ours else None,
        classes=_classes(ours[CLASSES], path) if CLASSES in ours else (),
        version=ours.get(VERSION, ""),
        flavour=ours.get(FLAVOUR, ""),
        precision=precision,
        input=_one_of(INPUTS, ours.get(INPUT, "float32 NCHW"), INPUT, path),
        output=_one_of(OUTPUTS, ours.get(OUTPUT, "logits"), OUTPUT, path),
    )


def _one_of(words: Sequence[str], text: str, key: str, path: object) -> Any:
    for word in words:
        if word == text:
            return word
    raise _odd(path, key, text, " or ".join(words))


def _classes(text: str, path: object) -> tuple[str, ...]:
    names = _json(text, CLASSES, path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _odd(path, CLASSES, text, "a JSON list of names")
    if not 0 < len(names) <= MOST_CLASSES or len(set(names)) != len(names):
        raise _odd(path, CLASSES, text, "each class once")
    return tuple(names)


def _preprocessing(text: str, path: object) -> Preprocessing:
    form = 'JSON with "mean", "std", "size": [h, w], "interpolation" and "crop"'
    found = _json(text, PREPROCESSING, path)
    if not isinstance(found, dict):
        raise _odd(path, PREPROCESSING, text, form)
    mean, std, size = (_numbers(found.get(name)) for name in ("mean", "std", "size"))
    crop, interpolation = found.get("crop", 1.0), found.get("interpolation", "bicubic")
    sound = (
        len(mean) == len(std) > 0
        and all(s > 0 for s in std)
        and len(size) == 2
        and all(side == int(side) and 0 < side <= LARGEST_SIDE for side in size)
        and len(_numbers([crop])) == 1
        and 0 < crop <= 1
        and isinstance(interpolation, str)
    )
    if not sound:
        raise _odd(path, PREPROCESSING, text, form)
    return Preprocessing(mean, std, (int(size[0]), int(size[1])), str(interpolation), float(crop))


def _numbers(value: Any) -> tuple[float, ...]:
    """The finite numbers of a list; none where it holds anything else."""
    if not isinstance(value, list):
        return ()
    plain = [v for v in value if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(plain) != len(value) or any(abs(v) > 1e30 or not math.isfinite(v) for v in plain):
        return ()
    return tuple(float(v) for v in plain)


def _json(text: str, key: str, path: object) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _odd(path, key, text, "JSON") from None


def _odd(path: object, key: str, text: str, wanted: str) -> CmtError:
    shown = ascii(text[:60]) + (" …" if len(text) > 60 else "")
    return CmtError(
        "CMT-858",
        f"{path}: its property {key} is {shown}, and should be {wanted}",
        hint="write the file anew: cmt export",
    )
