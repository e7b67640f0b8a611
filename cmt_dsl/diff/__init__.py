"""What is different between two models: in their specs, in their graphs, in what they cost."""

from cmt_dsl.diff.changes import Change, Difference, Part, diff
from cmt_dsl.diff.match import Pairing, pair

__all__ = ["Change", "Difference", "Pairing", "Part", "diff", "pair"]
