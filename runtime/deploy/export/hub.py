"""A folder as model hubs expect it: weights, configuration, the spec, a card and drawings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cmt_dsl import __version__, cost
from cmt_dsl.draw import compose
from cmt_dsl.draw.mermaid import MOST_EDGES, MOST_SIGNS
from cmt_dsl.draw.write import write
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import GraphLevel
from cmt_dsl.lower.numpy import run as reference
from runtime.checkpoint.convert import native_checkpoint
from runtime.checkpoint.file import save_checkpoint
from runtime.checkpoint.load import load_weights
from runtime.deploy.export.card import card, numbers
from runtime.deploy.export.job import Job, Runs, Staged
from runtime.deploy.metadata import Preprocessing

WEIGHTS, CONFIG, CARD, DRAWING = "model.safetensors", "config.json", "README.md", "model.svg"
LIBRARY = "cmt-dsl"
LEVELS: tuple[GraphLevel, ...] = ("block", "stage")
"""How deep the Mermaid drawing goes: the first that GitHub draws."""


def make_hub(job: Job, folder: Path) -> Staged:
    """The folder at `folder`."""
    found, notes = job.found, []
    folder.mkdir()
    license = job.wish.license or _published(found.checkpoint.origin if found.checkpoint else {})
    if license is None:
        notes.append("no licence is known, the card says so: --license names it")
    if not found.class_names:
        notes.append("the names of the classes are not known, config.json numbers them: --classes names them")
    job.tell("writing weights, configuration and card …", step=True)
    native = native_checkpoint(found)
    save_checkpoint(folder / WEIGHTS, native)
    (folder / f"{found.model.name}.yaml").write_text(native.spec_text, encoding="utf-8")
    told = json.dumps(config(job), indent=2, ensure_ascii=False) + "\n"
    (folder / CONFIG).write_text(told, encoding="utf-8")
    drawings = _drawings(job, folder, notes)
    text = card(found, license, job.metadata.preprocessing, numbers(found), drawings)
    (folder / CARD).write_text(text, encoding="utf-8")
    nodes = len(found.graph.nodes)
    return Staged(folder, "numpy", lambda: _computing(folder / WEIGHTS), nodes, "", tuple(notes))


def is_hub(folder: Path) -> bool:
    """Whether a folder is such a one, which another export may replace."""
    try:
        told = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("library_name") == LIBRARY and (folder / WEIGHTS).is_file()


def config(job: Job) -> dict[str, Any]:
    """config.json as data: the names that hubs and timm have for it."""
    found, told = job.found, job.metadata
    model, image = found.model, found.model.input
    names = job.labels or tuple(map(str, range(model.classes)))
    return {
        "library_name": LIBRARY,
        "library_version": __version__,
        "architecture": model.name,
        "profile": model.profile.profile,
        "spec": f"{model.name}.yaml",
        "fingerprint": found.graph.fingerprint,
        "num_classes": model.classes,
        "class_names": list(found.class_names),
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: names.index(name) for name in names},  # of equal words the first
        "input_size": [image.channels, image.height, image.width],
        **_shown(told.preprocessing),
    }


def _shown(how: Preprocessing | None) -> dict[str, Any]:
    if how is None:
        return {}
    return {
        "mean": list(how.mean),
        "std": list(how.std),
        "size": list(how.size),
        "interpolation": how.interpolation,
        "crop_pct": how.crop,
    }


def _drawings(job: Job, folder: Path, notes: list[str]) -> dict[str, str]:
    graph, doc = job.found.graph, job.found.model.spec.doc
    made: dict[str, str] = {}
    for level in LEVELS:
        scene = compose(graph, cost(graph), level, "", doc=doc)
        text = write(scene, "mermaid")[0].decode()
        if len(text) <= MOST_SIGNS and len(scene.edges) <= MOST_EDGES:
            made["mermaid"] = text
            break
    try:
        drawn, _ = write(compose(graph, cost(graph), LEVELS[0], "", doc=doc), "svg")
    except CmtError as error:  # no Graphviz: the card has the Mermaid drawing all the same
        notes.append(f"{DRAWING} was left out: {error.problems[0].message}")
        return made
    (folder / DRAWING).write_bytes(drawn)
    return {**made, "svg": DRAWING}


def _published(origin: dict[str, Any]) -> str | None:
    license = origin.get("license")
    return license if isinstance(license, str) and license.strip() else None


def _computing(path: Path) -> Runs:
    again = load_weights(path)
    return lambda images: reference(again.graph, again.arrays, images)
