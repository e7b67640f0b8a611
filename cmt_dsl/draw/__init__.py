"""A graph for people: tables, and drawings that are renderings of one scene."""

from cmt_dsl.draw.compose import compose
from cmt_dsl.draw.scene import Box, Cluster, Edge, Figures, Scene
from cmt_dsl.draw.table import LEVELS, Level, Row, rows

__all__ = ["LEVELS", "Box", "Cluster", "Edge", "Figures", "Level", "Row", "Scene", "compose", "rows"]
