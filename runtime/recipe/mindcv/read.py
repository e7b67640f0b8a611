"""MindCV's training files (mindspore-lab/mindcv, configs/*.yaml) as recipes: each key honoured or refused by name."""

from __future__ import annotations

from cmt_dsl.errors import SpecError
from cmt_dsl.spec.tree import Map
from runtime.recipe.mindcv.groups import GROUPS
from runtime.recipe.mindcv.reading import Imported, Reading


def imported(tree: Map) -> Imported:
    """Carry over every key; SpecError with all that is unknown (CMT-110), mistyped (111) or not carried out (810)."""
    reading = Reading(tree)
    reading.all(GROUPS)
    if reading.problems:
        raise SpecError(reading.problems)
    return reading.done
