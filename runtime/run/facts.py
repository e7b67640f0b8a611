"""What the first record of a run says of its model, recipe and data."""

from __future__ import annotations

from math import prod
from typing import Any


def facts(spec: Any, graph: Any, recipe: Any, source: Any) -> dict[str, Any]:
    """Plain data; `parameters` counts statistics too, as MindCV's tables do."""
    return {
        "model": spec.name,
        "fingerprint": graph.fingerprint,
        "parameters": sum(prod(p.shape) for p in graph.params),
        "image_size": [spec.input.height, spec.input.width],
        "recipe": recipe.resolved(),
        "source": source.name,
        "classes": list(source.classes),
        "train_images": source.train_size,
        "val_images": source.val_size,
        "data_notes": list(source.notes),
    }
