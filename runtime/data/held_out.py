"""The held-out images of a data set as a file of weights wants them: its size, its crop, its classes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmt_dsl import Model
from runtime.data.classes import Sorting, class_names
from runtime.data.open import as_model_sees, open_source
from runtime.data.source import Source, View
from runtime.data.splitting import read_split
from runtime.recipe.read import recipe_from
from runtime.recipe.schema import DataGroup, Recipe


@dataclass(frozen=True)
class Asked:
    """What the user says of the data and the classes, where the files do not."""

    classes: str | None = None
    """The model's class names: "imagenet" or a file."""
    class_order: Sorting | None = None
    train_name: str | None = None
    val_name: str | None = None

    def group(self, group: DataGroup) -> DataGroup:
        """A recipe's data group with what was said; a list that its run read is not needed again."""
        said = {"class_order": self.class_order, "train_name": self.train_name, "val_name": self.val_name}
        return group.model_copy(update={"classes": None, **{k: v for k, v in said.items() if v is not None}})


@dataclass(frozen=True)
class HeldOut:
    """The source, the recipe that the weights were trained by, if it is known, how the data was read, what to tell."""

    source: Source
    recipe: Recipe | None
    group: DataGroup
    notes: tuple[str, ...]


def view_of(model: Model, recipe: Mapping[str, Any]) -> View:
    """How a model wants its images, cropped as the recipe it was trained by does it; the profile's crop without one."""
    return View.of(model, recipe_from(dict(recipe)).data.eval_crop if recipe else None)


def held_out(
    data: str,
    model: Model,
    recipe: Mapping[str, Any],
    names: Sequence[str] | None,
    asked: Asked | None = None,
    beside: Path | None = None,
) -> HeldOut:
    """Open `data` for a checked model whose classes are `names` (none in it: not known); CMT-5xx.

    Where `data.split` held images out, they are those that the run's list names `beside` the file of weights.

    Labels are the model's logits and classes its names, whatever the data's are. With names None no logit is asked
    for, and the data's own classes stay.
    """
    asked = asked if asked is not None else Asked()
    read = recipe_from(dict(recipe)) if recipe else None  # converted weights bring none
    group = asked.group(read.data if read else DataGroup())
    split = read_split(beside) if beside is not None and group.split is not None else None
    source = open_source(data, View.of(model, group.eval_crop), group=group, split=split)
    if names is None:
        return HeldOut(
            source, read, group, (*source.notes, *([source.order.note()] if source.order.note() else []))
        )
    given = class_names(asked.classes) if asked.classes is not None else tuple(names)
    source, notes = as_model_sees(source, model.classes, given)
    return HeldOut(source, read, group, (*source.notes, *notes))
