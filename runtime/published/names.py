"""Class names of published weights: those of the data they were trained on, as known data."""

from __future__ import annotations


def class_names(known: str | None, count: int) -> tuple[str, ...]:
    """Names by index of the `count` classes of a data set that is known by name; none for None."""
    return ()
