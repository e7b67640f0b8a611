"""What the pools over windows have in common: attributes and shapes."""

from __future__ import annotations

from dataclasses import dataclass, field

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import LATER, Emitter, OnnxEmitter, OnnxValue, Op, TensorType
from cmt_dsl.ops.attributes import Margins, Sides, pair
from cmt_dsl.ops.windows import window


@dataclass(frozen=True)
class Pooling(Op, kind="pooling"):
    """Base of the pools, `[n, c, h, w] -> [n, c, h', w']`; windows must cover the grid.

    `kernel`, `stride` and `padding` are one number or `[height, width]`. At most half of a window is padding,
    and what the windows leave over may be padding alone.
    """

    family = "shape"

    kernel: Sides
    stride: Sides
    padding: Margins = field(default=0, metadata=LATER)

    def infer(self, *x: TensorType) -> TensorType:
        c, h, w = x[0].map()
        sides: list[int] = []
        pairs = pair(self.kernel), pair(self.stride), pair(self.padding)
        for side, name, k, s, p in zip((h, w), ("height", "width"), *pairs, strict=True):
            if 2 * p > k:
                message = f"padding {p} is more than half of a {k}-wide window"
                raise ShapeError("CMT-202", message, attribute="padding")
            if side + 2 * p < k:
                message = f"a {k}-wide window does not fit a {name} of {side}"
                raise ShapeError("CMT-202", message, attribute="kernel")
            if (side + 2 * p - k) % s > p:
                message = f"windows of {k} at stride {s} leave part of the {name} {side} over"
                raise ShapeError("CMT-202", message, attribute="stride")
            sides.append(window(side, k, s, p))
        return TensorType((None, c, *sides))

    def with_padding(self, ms: Emitter, x: str, value: float) -> str:
        """The MindSpore expression of the map with its padding."""
        p, q = pair(self.padding)
        return f"ops.pad({x}, [{q}, {q}, {p}, {p}], value={value!r})" if p or q else x

    def pooled(self, to: OnnxEmitter, kind: str, x: OnnxValue, **attributes: object) -> OnnxValue:
        """The ONNX node of the pool."""
        sides: dict[str, object] = {"kernel_shape": pair(self.kernel), "strides": pair(self.stride)}
        return to.give(to.node(kind, to.read(x), **sides, pads=pair(self.padding) * 2, **attributes))
