"""A graph for people: tables now; drawings read the same rows."""

from cmt_dsl.draw.table import LEVELS, Level, Row, rows

__all__ = ["LEVELS", "Level", "Row", "rows"]
