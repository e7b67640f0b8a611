"""The model card of a hub folder: front matter that hubs read, and what a person wants to know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cmt_dsl import cost
from cmt_dsl.cost import Tally
from cmt_dsl.ir import stage_of
from cmt_dsl.spec.dump import dump_data
from runtime.checkpoint.load import COUNTERS, Imported
from runtime.deploy.metadata import Preprocessing
from runtime.sharing import without_folders

UNSTATED = "other"
"""What hubs call a licence that is in none of their lists."""
NAMES = {"top1": "top-1 accuracy", "top5": "top-5 accuracy"}


def card(
    found: Imported,
    license: str | None,
    shown: Preprocessing | None,
    metrics: Mapping[str, float],
    drawings: Mapping[str, str],
) -> str:
    """README.md; `drawings` are the Mermaid text under "mermaid", the name of an SVG file under "svg", as far as there are."""
    model, name = found.model, found.model.name
    parts = [
        f"---\n{dump_data(front(found, license, metrics))}---",
        f"# {name}",
        _line(model.spec.doc),
        _facts(found, shown),
        _measured(found, metrics),
        f"## What it costs\n\n{_costs(found)}",
        _drawn(drawings),
        _use(name),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front(found: Imported, license: str | None, metrics: Mapping[str, float]) -> dict[str, Any]:
    """The front matter as data."""
    data: dict[str, Any] = {"license": license or UNSTATED}
    if license is None:
        data["license_name"] = "not-stated"
    data |= {
        "library_name": "cmt-dsl",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "vision", "mindspore", "cmt-dsl", _tag(found.model.name)],
        "metrics": ["accuracy"],
    }
    if "top1" in metrics:
        task = {"type": "image-classification"}
        source = without_folders(found.checkpoint.source) if found.checkpoint else "unknown"
        values = [
            {"type": "accuracy", "name": NAMES[key], "value": round(100 * metrics[key], 3)}
            for key in NAMES
            if key in metrics
        ]
        result = {"task": task, "dataset": {"name": source, "type": _tag(source)}, "metrics": values}
        data["model-index"] = [{"name": found.model.name, "results": [result]}]
    return data


def numbers(found: Imported) -> dict[str, float]:
    """What was measured of the weights, as far as it is a number."""
    given = found.checkpoint.metrics if found.checkpoint else {}
    return {
        name: float(value)
        for name, value in given.items()
        if name != COUNTERS and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _facts(found: Imported, shown: Preprocessing | None) -> str:
    image = found.model.input
    lines = [
        f"- Input: {image.channels} × {image.height} × {image.width} float32",
        f"- Classes: {found.model.classes}" + ("" if found.class_names else ", whose names are not known"),
        f"- Profile: {found.model.profile.profile}",
        f"- Graph: `{found.graph.fingerprint}`",
        f"- Weights: {found.which}, from {_line(found.source)}",
    ]
    if shown is not None:
        mean, std = (", ".join(f"{value:.4g}" for value in of) for of in (shown.mean, shown.std))
        lines.append(
            f"- Images: the shorter side to size / {shown.crop:g} ({shown.interpolation}), the centre of "
            f"{shown.size[0]} × {shown.size[1]}, divided by 255, less the mean ({mean}), divided by ({std})"
        )
    if found.checkpoint is not None and found.checkpoint.epoch:
        recipe = found.checkpoint.recipe.get("recipe")
        by = f" by the recipe {_line(recipe)}" if recipe else ""
        lines.append(f"- Trained: {found.checkpoint.epoch} epochs{by} on {_line(found.checkpoint.source)}")
    return "\n".join(lines)


def _measured(found: Imported, metrics: Mapping[str, float]) -> str:
    if not metrics:
        return ""
    rows = [f"| {NAMES.get(name, _line(name))} | {_value(name, value)} |" for name, value in metrics.items()]
    where = f" on the held-out images of {_line(found.checkpoint.source)}" if found.checkpoint else ""
    return "\n".join([f"## What was measured{where}", "", "| | |", "|---|---|", *rows])


def _value(name: str, value: float) -> str:
    return f"{value:.2%}" if name in NAMES or name.removeprefix("ema_") in NAMES else f"{value:.6g}"


def _costs(found: Imported) -> str:
    whole = cost(found.graph)
    parts = {name: tally for name, tally in whole.grouped(stage_of).items() if name != "input"}
    rows = [_row(name, tally) for name, tally in parts.items()]
    head = ["| part | parameters | statistics | MACs |", "|---|--:|--:|--:|"]
    return "\n".join([*head, *rows, _row("**total**", whole.total)])


def _row(name: str, tally: Tally) -> str:
    return f"| {name} | {tally.trainable:,} | {tally.statistics:,} | {tally.macs:,} |"


def _drawn(drawings: Mapping[str, str]) -> str:
    return "\n\n".join(["## How it is built", *_pictures(drawings)]) if drawings else ""


def _pictures(drawings: Mapping[str, str]) -> Iterator[str]:
    if "mermaid" in drawings:
        yield f"```mermaid\n{drawings['mermaid'].rstrip()}\n```"
    if "svg" in drawings:
        yield f"The same as a file: [{drawings['svg']}]({drawings['svg']})"


def _use(name: str) -> str:
    return f"""## How to use it

With cmt-dsl (`pip install cmt-dsl`), in this folder:

    cmt validate model.safetensors --data DIR
    cmt predict model.safetensors IMAGE
    cmt export model.safetensors --format onnx -o {name}.onnx

and then with ONNX Runtime, NumPy and Pillow alone, by the project's `examples/onnx_client.py`:

    python onnx_client.py {name}.onnx IMAGE

`{name}.yaml` is the whole model: `cmt show {name}.yaml`."""


def _line(text: object) -> str:
    """A foreign text inside Markdown: one line, nothing that Markdown or HTML would read."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(without_folders(str(text)).split()))


def _tag(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unknown"
