"""The weights that a run starts from: another run's, or the seed's; no framework."""

from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl import Graph, Model
from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.checkpoint.change.adapt import adapt
from runtime.checkpoint.load import load_weights
from runtime.published.reference import weights_file
from runtime.recipe.schema import Recipe


@dataclass(frozen=True)
class Start:
    """Weights by path (None: drawn from the seed), and what a person should know of them."""

    arrays: dict[str, Array] | None = None
    says: tuple[str, ...] = ()


def starting_point(recipe: Recipe, graph: Graph, model: Model | None = None) -> Start:
    """Weights of `train.init` adapted to `graph` as `cmt adapt` does it, with a line for each thing that was changed.

    Any file that `cmt convert` reads will do, or pretrained:NAME; `model` is what `graph` was built of, and the first that the
    names of another project are held against; a classifier that is missing starts anew. CMT-805 where no rule leads to `graph`, which another depth is without
    `train.init_depth`; those of `load_weights` for the file itself.
    """
    train = recipe.train
    if train.init is None:
        return Start()
    found = load_weights(weights_file(train.init), which=train.init_weights, first=model, anew=train.seed)
    try:
        arrays, notes = adapt(found.arrays, found.graph, graph, allow_depth=train.init_depth, seed=train.seed)
    except CmtError as error:
        [problem] = error.problems
        deep = problem.code == "CMT-641"
        raise CmtError(
            "CMT-805",
            f"{train.init} does not fit {graph.name}: {problem.message}",
            path="train.init",
            hint="--set train.init_depth=true leaves out the last blocks, or starts new ones from the seed"
            if deep
            else "only classes, channels, size and, with train.init_depth, depth may differ",
        ) from None
    epoch = f", epoch {found.checkpoint.epoch}" if found.checkpoint and found.checkpoint.epoch else ""
    says = f"starting from the {train.init_weights} weights of {train.init} ({found.model.name}{epoch})"
    return Start(arrays, (says, *found.notes, *notes))
