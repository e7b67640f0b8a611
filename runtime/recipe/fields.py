"""Kinds of numbers in a recipe, and what all its groups have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _inside(path: str) -> str:
    if path.startswith(("/", "~")) or "\\" in path or ".." in path.split("/"):
        raise ValueError("a folder's name, or its path below the data's folder, such as images/val")
    return path


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Folder = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_inside)]
"""A folder by its path below another; `.` is that one itself."""
Range = Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
