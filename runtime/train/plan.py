"""What a run is going to do: everything that it needs, checked once, before a framework is loaded or a file written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmt_dsl import Graph, Model, build, load, unread
from cmt_dsl.errors import Problem, SpecError
from runtime.array import Array
from runtime.checkpoint.verify import require_fit
from runtime.data.imbalance import class_weights
from runtime.data.imbalance import remarks as remarks_on_classes
from runtime.data.open import open_source
from runtime.data.source import Source, View, require_classes
from runtime.data.splitting import read_split
from runtime.recipe.paths import in_recipe
from runtime.recipe.read import (
    check_against_data,
    decays_all,
    is_recipe_path,
    load_recipe,
    named_model,
    recipe_warnings,
)
from runtime.recipe.read import remarks as remarks_on_recipe
from runtime.recipe.schema import Recipe
from runtime.run.directory import LAST, require_free
from runtime.train.resume import Continuation, find, require_same
from runtime.train.schedule import rates
from runtime.train.selection import check_against_model
from runtime.train.start import Start, starting_point


@dataclass(frozen=True)
class Plan:
    """A run of the checked `model` by `recipe` on `source` into the directory `out`, by so many `workers`.

    Made by `plan` from names, or by `Plan.of` from what is at hand; whoever has one need not check anything again.
    Every worker has the same, but for its place in the world.
    """

    model: Model
    graph: Graph
    recipe: Recipe
    source: Source
    out: Path
    start: Start
    """The weights that the run starts from, before a continuation's."""
    resume: Continuation | None
    """Where the run in `out` goes on; None for a new one."""
    workers: int
    decay_all: bool
    """Whether weight decay reaches norms and biases."""
    peak_rate: float
    rates: list[float] = field(repr=False)
    """The learning rate of every update."""
    weights: Array | None = field(repr=False)
    """[classes] what targets are multiplied by; None for nothing."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches that a worker sees in an epoch; with accumulation an update takes several."""
        return self.recipe.steps_per_epoch(self.source.train_size, self.workers)

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.recipe.train.epochs * self.steps_per_epoch

    @property
    def global_batch(self) -> int:
        """Images of one step over all workers."""
        return self.recipe.train.batch * self.workers

    @property
    def left_out(self) -> int:
        """Images that fill no batch and are left out of each epoch, others each time."""
        return self.source.train_size % self.recipe.images_per_update(self.workers)

    @classmethod
    def of(
        cls,
        model: Model,
        recipe: Recipe,
        source: Source,
        out: Path,
        *,
        resume: Continuation | None = None,
        workers: int = 1,
        graph: Graph | None = None,
    ) -> Plan:
        """The plan of parts that were read already; CMT-5xx, 6xx, 7xx or 8xx where they contradict each other."""
        require_classes(source, model.classes)
        graph = graph if graph is not None else build(model)
        check_against_data(recipe, source.train_size, workers)
        check_against_model(recipe, graph)
        decay_all = decays_all(recipe, model.profile_values)
        if resume is None:
            start = starting_point(recipe, graph, model)
        else:
            require_same(resume, model, graph.fingerprint, recipe, source, workers)
            require_fit(out / LAST, graph, resume.checkpoint)
            start = Start()
        peak, every = rates(recipe, source.train_size, workers)
        weighing, balance = recipe.loss.class_weights, recipe.data.balance
        weights = class_weights(weighing, source.classes, source.train_labels, balance=balance)
        return cls(model, graph, recipe, source, out, start, resume, workers, decay_all, peak, every, weights)


def plan(
    spec: str | None,
    recipe: str,
    data: str,
    out: Path,
    *,
    sets: Sequence[str] = (),
    overwrite: bool = False,
    resume: bool = False,
    workers: int = 1,
    tell: Callable[[str], object] = lambda line: None,
) -> Plan:
    """Read model, recipe and data by name, and check them beside each other; nothing is written.

    Args:
        spec: a shipped name or a file; None takes the model that the recipe was published for (CMT-811).
        recipe: a shipped name or a file, ours or MindCV's.
        data: as `--data` has it.
        out: directory of the run; CMT-703 if it holds one, unless `overwrite` or `resume`.
        sets: `path=value` texts, of the recipe or of the model.
        resume: continue the run in `out`; CMT-706 or 707 where that cannot be.
        workers: how many processes will train together.
        tell: is given each line that a person should know, as it is found.

    Raises:
        CmtError: whatever is wrong with any of it, before a framework is loaded.
    """
    point = find(out) if resume else None
    same: list[Problem] = []  # a run may ask for what is so already: a sweep does
    read = load_recipe(recipe, overrides=tuple(s for s in sets if is_recipe_path(s)), restated=same)
    own = tuple(s for s in sets if not is_recipe_path(s))
    spec = spec if spec is not None else named_model(read)
    model = _model(spec, read.model_sets(), own, same)
    tell(f"cmt train {model.name}  recipe {read.recipe}  data {data}  out {out}")
    for line in remarks_on_recipe(read, model.lineage):
        tell(line)
    for warning in (*recipe_warnings(recipe), *unread(load(spec))):
        tell(str(warning))
    for problem in same:
        if problem.path != "classes":  # which keeps the data from deciding
            tell(f"note: {problem.place}: {problem.message}")
    held = read_split(out / LAST) if resume and read.data.split is not None else None
    view = View.of(model, read.data.eval_crop)
    source = open_source(data, view, augment=read.augment, group=read.data, split=held)
    for note in source.notes:
        tell(note)
    if len(source.classes) != model.classes and not any(s.split("=")[0].strip() == "classes" for s in own):
        tell(f"classes {model.classes} → {len(source.classes)}, as the data has")
        model = _model(spec, {**read.model_sets(), "classes": len(source.classes)}, own, [])
    require_classes(source, model.classes)
    weights, balance = read.loss.class_weights, read.data.balance
    for line in remarks_on_classes(source.classes, source.train_labels, weights, balance=balance):
        tell(line)
    graph = build(model)  # shape errors before the run directory is looked at
    if point is None and not overwrite:
        require_free(out)
    made = Plan.of(model, read, source, out, resume=point, workers=workers, graph=graph)
    if made.left_out:
        tell(f"each epoch leaves out {made.left_out} images, others each time: they fill no batch")
    for line in made.start.says:
        tell(line)
    return made


def _model(spec: str, sets: dict[str, Any], typed: tuple[str, ...], same: list[Problem]) -> Model:
    """The model with the recipe's edits under the user's own."""
    try:
        return load(spec, set=sets, overrides=typed, restated=same)
    except SpecError as error:
        raise in_recipe(error) from None
