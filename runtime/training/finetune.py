"""The weights that a run starts from: another run's, or the seed's; no framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import load_checkpoint

if TYPE_CHECKING:
    from cmt_dsl import Graph
    from runtime.recipe.schema import Recipe


@dataclass(frozen=True)
class Start:
    """Weights by path (None: drawn from the seed), and what a person should know of them."""

    arrays: dict[str, np.ndarray] | None = None
    says: tuple[str, ...] = ()


def starting_point(recipe: Recipe, graph: Graph) -> Start:
    """Weights of `train.init`, by path and in their shapes.

    A classifier for another number of classes starts anew, and that is said. Everything else that is missing, left
    over or of another shape is an error that lists the paths: CMT-805; 601 to 603 for the file itself.
    """
    if recipe.train.init is None:
        return Start()
    from cmt_dsl.lower.weights import initial

    file, which = recipe.train.init, recipe.train.init_weights
    checkpoint = load_checkpoint(file)
    held = checkpoint.weights(which)
    wanted = {info.path: info.shape for info in graph.params}
    before, now = len(checkpoint.classes), graph.output.type.sizes[-1]
    anew, wrong = [], [f"missing {path}" for path in wanted if path not in held]
    wrong += [f"unexpected {path}" for path in held if path not in wanted]
    for path in (path for path in wanted if path in held):
        has, needs = tuple(held[path].shape), wanted[path]
        if has == needs:
            continue
        if path.startswith("head.") and (has[:1], needs[:1], has[1:]) == ((before,), (now,), needs[1:]):
            anew.append(path)
        else:
            wrong.append(f"{path} has shape {has}, not {needs}")
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise CmtError(
            "CMT-805",
            f"{file} does not fit {graph.name}: {'; '.join(wrong[:5])}{more}",
            path="train.init",
            hint="only a classifier for another number of classes may differ; give the model that it was trained as",
        )
    fresh = initial(graph, recipe.train.seed) if anew else {}
    says = [f"starting from the {which} weights of {file} (epoch {checkpoint.epoch})"]
    if anew:
        says.append(f"initialised anew for {now} classes instead of {before}: {', '.join(anew)}")
    return Start({path: fresh[path] if path in anew else held[path] for path in wanted}, tuple(says))
