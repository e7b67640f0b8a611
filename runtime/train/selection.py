"""Parts of a model that a recipe names by path, and how deep a parameter lies; no framework."""

from __future__ import annotations

from collections.abc import Sequence

from cmt_dsl import Graph
from cmt_dsl.errors import CmtError, did_you_mean
from cmt_dsl.ir import above, below, block_of, is_block, stage_of
from runtime.recipe.schema import Recipe


def frozen(graph: Graph, parts: Sequence[str]) -> set[str]:
    """Paths of the parameters and statistics that lie in `parts`; CMT-803 for a part that has none."""
    paths = [info.path for info in graph.params]
    known = list(dict.fromkeys(prefix for path in paths for prefix in (*reversed(above(path)), path)))
    _require("train.freeze", "part", parts, known)
    return {path for path in paths if any(below(path, part) for part in parts)}


def recomputed(graph: Graph, parts: Sequence[str]) -> list[str]:
    """Paths of the blocks that `parts`, stages or blocks, stand for; CMT-803 for any other part."""
    blocks = [scope.path for scope in graph.scopes if is_block(scope.path)]
    stages = list(dict.fromkeys(map(stage_of, blocks)))
    _require("train.recompute", "stage or block", parts, [*stages, *blocks])
    return [path for path in blocks if any(below(path, part) for part in parts)]


def layer_factors(graph: Graph, decay: float) -> dict[str, float]:
    """Learning-rate factor of each parameter, decay^(last layer - its layer) (Bao et al. 2021, BEiT).

    The stem is layer 0, each block one more, what comes after the stages the last one. A stage's embedding and what
    its blocks share belong to its first block.
    """
    blocks = [scope.path for scope in graph.scopes if is_block(scope.path)]
    layers = {path: index for index, path in enumerate(blocks, start=1)}
    last = len(blocks) + 1
    firsts: dict[str, int] = {}
    for path, index in layers.items():
        firsts.setdefault(stage_of(path), index)

    def layer(path: str) -> int:
        words = path.split(".")
        if words[0] == "stem":
            return 0
        if words[0] != "stages":
            return last
        return layers.get(block_of(path), firsts.get(stage_of(path), last))

    return {info.path: decay ** (last - layer(info.path)) for info in graph.params}


def check_against_model(recipe: Recipe, graph: Graph) -> None:
    """Parts that the recipe names and the model lacks, before anything is built; CMT-801, CMT-803."""
    held = frozen(graph, recipe.train.freeze)
    recomputed(graph, recipe.train.recompute)
    if all(info.path in held for info in graph.params if info.trainable):
        raise CmtError(
            "CMT-801",
            "train.freeze leaves nothing to train" if held else "this model has nothing to train",
            path="train.freeze",
            hint="leave the head out of train.freeze" if held else "",
        )


def _require(field: str, kind: str, parts: Sequence[str], known: Sequence[str]) -> None:
    for index, part in enumerate(parts):
        if part not in known:
            raise CmtError(
                "CMT-803",
                f"the model has no {kind} '{part}'",
                path=f"{field}.{index}",
                hint=did_you_mean(part, known) or "`cmt show SPEC --level block` lists them",
            )
