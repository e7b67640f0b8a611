"""Passes over programs: what each changes, what it leaves and why. One a file; the lists that are run are here."""

from cmt_dsl.passes.base import Match, Outcome, Pass, Refusal, run
from cmt_dsl.passes.fold_norm import FoldNorm

TRAIN: tuple[Pass, ...] = ()
"""Before training: nothing yet, a model is trained as its spec says it."""
DEPLOY: tuple[Pass, ...] = (FoldNorm(),)
"""Before inference elsewhere: running statistics are constants then."""

FORMS: dict[str, tuple[Pass, ...]] = dict.fromkeys(("plain", "ort", "openvino", "ascend"), DEPLOY)
"""What each flavour of the ONNX lowering likes best."""

__all__ = ["DEPLOY", "FORMS", "TRAIN", "FoldNorm", "Match", "Outcome", "Pass", "Refusal", "run"]
