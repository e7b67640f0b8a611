"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.data.source import Source
from runtime.device.world import SOLO, World
from runtime.recipe.schema import Recipe
from runtime.run.interrupt import Watch
from runtime.training.resume import Point

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Job:
    """Train the checked model `spec` by `recipe` on `source` into the opened run directory `out`.

    `watch` is an entered Watch; without it signals are watched while the job runs. `resume` is where the run in
    `out` goes on, checked by `resume.require_same`. Every worker of `world` has the same job; the first writes `out`.
    """

    spec: Any
    recipe: Recipe
    source: Source
    out: Path
    console: Console
    watch: Watch | None = None
    resume: Point | None = None
    world: World = SOLO
