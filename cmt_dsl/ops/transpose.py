from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import written
from cmt_dsl.ops.axes import Axis

_PLACES: dict[Any, int] = {"channels": 1, "height": 2, "width": 3}


def _two(value: Any) -> tuple[str, ...]:
    given: list[Any] = list(value) if isinstance(value, (list, tuple)) else []  # pyright: ignore[reportUnknownArgumentType]
    known = [v for v in given if isinstance(v, str) and v in _PLACES]
    if len(given) != 2 or len(set(known)) != 2:
        raise ValueError(f"should be two of channels, height and width, not {written(value)}")
    return tuple(sorted(known, key=lambda name: _PLACES[name]))


@dataclass(frozen=True)
class Transpose(Op, kind="transpose"):
    """Exchange two axes of a map: with `[channels, height]`, `[n, c, h, w] -> [n, h, c, w]`.

    So a convolution can run along the channels, or a linear layer mix positions. In attention's
    `[n, heads, rows, columns]` the places count.
    """

    family = "shape"

    axes: Annotated[tuple[Axis, Axis], PlainValidator(_two)]

    def infer(self, *x: TensorType) -> TensorType:
        if len(x[0].shape) != 4 or not x[0].batched:
            raise ShapeError(
                "CMT-204", f"needs a map, not {x[0]}", hint="a map is [n, channels, height, width]"
            )
        return TensorType(tuple(x[0].shape[i] for i in self._order()))

    def _order(self) -> list[int]:
        order = [0, 1, 2, 3]
        a, b = (_PLACES[name] for name in self.axes)
        order[a], order[b] = b, a
        return order

    def numpy(self, p: Arrays, *x: Array) -> Array:
        return x[0].transpose(self._order())

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.transpose({x[0]}, {tuple(self._order())})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        if self.axes == ("height", "width") and "swapped" in x[0].forms:
            return OnnxValue(x[0].path, to.out, {"map": x[0].forms["swapped"]})
        return to.give(to.node("Transpose", to.read(x[0]), perm=self._order()))

    @staticmethod
    def samples() -> Samples:
        shape = ((None, 3, 4, 5),)
        return (
            (Transpose(("channels", "height")), shape),
            (Transpose(("channels", "width")), shape),
            (Transpose(("height", "width")), shape),
        )
