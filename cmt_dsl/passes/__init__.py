"""Passes over programs: what each changes, what it leaves and why. One a file; the lists that are run are here."""

from collections.abc import Mapping
from types import MappingProxyType

from cmt_dsl.passes.base import Match, Outcome, Pass, Refusal, run
from cmt_dsl.passes.drop_key_constants import DropKeyConstants
from cmt_dsl.passes.fold_forward import FoldForward
from cmt_dsl.passes.fold_norm import FoldNorm
from cmt_dsl.passes.fold_residual import FoldResidual
from cmt_dsl.passes.fold_scale import FoldScale
from cmt_dsl.passes.merge_products import MergeProducts
from cmt_dsl.passes.move_bias import MoveBias
from cmt_dsl.passes.move_value_constants import MoveValueConstants
from cmt_dsl.passes.pad_channels import PadChannels
from cmt_dsl.passes.precompute import Precompute
from cmt_dsl.passes.remove_idle import RemoveIdle

TRAIN: tuple[Pass, ...] = ()
"""Before training: nothing yet, a model is trained as its spec says it."""
DEPLOY: tuple[Pass, ...] = (
    RemoveIdle(),
    Precompute(),
    FoldNorm(),
    FoldResidual(),
    FoldForward(),
    MoveBias(),
    FoldScale(),
    DropKeyConstants(),
    MoveValueConstants(),
)
"""Before inference elsewhere: running statistics are constants then. Each makes room for the next: a residual folded into
its convolution leaves that as the only reader of a norm, whose shift becomes a bias that attention drops."""
FORMS: Mapping[str, tuple[Pass, ...]] = MappingProxyType(
    {
        "plain": (*DEPLOY, MergeProducts()),
        "ort": (*DEPLOY, MergeProducts(), PadChannels(4)),
        "openvino": DEPLOY,
        "ascend": (*DEPLOY, MergeProducts()),
    }
)
"""By flavour of the ONNX lowering: ONNX Runtime's blocked layout wants channels in fours; OpenVINO gains nothing from
merged products."""

__all__ = [
    "DEPLOY",
    "FORMS",
    "TRAIN",
    "DropKeyConstants",
    "FoldForward",
    "FoldNorm",
    "FoldResidual",
    "FoldScale",
    "Match",
    "MergeProducts",
    "MoveBias",
    "MoveValueConstants",
    "Outcome",
    "PadChannels",
    "Pass",
    "Precompute",
    "Refusal",
    "RemoveIdle",
    "run",
]
