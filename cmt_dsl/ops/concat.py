from __future__ import annotations

from dataclasses import dataclass, field

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import LATER, Array, Arrays, Emitter, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.axes import Axis, axes


@dataclass(frozen=True)
class Concat(Op, kind="concat"):
    """Values side by side along the channels, `[n, a, …], [n, b, …] -> [n, a + b, …]`, or along `over`."""

    family = "shape"

    over: Axis = field(default="channels", metadata=LATER)
    arity = (2, 64)

    def infer(self, *x: TensorType) -> TensorType:
        if not all(t.batched and len(t.shape) >= 2 for t in x):
            raise ShapeError("CMT-204", "needs values with a batch and channels")
        at = self._axis()
        if at > 1:
            axes(x[0], self.over)
        if len({(t.shape[:at], t.shape[at + 1 :]) for t in x}) > 1:
            what = "grids differ" if at == 1 else f"they differ in more than their {self.over}"
            raise ShapeError("CMT-203", f"{what}: " + ", ".join(map(str, x)))
        size = sum(t.sizes[at - 1] for t in x)
        return TensorType((*x[0].shape[:at], size, *x[0].shape[at + 1 :]))

    def _axis(self) -> int:
        return 1 if self.over == "channels" else 2 if self.over == "height" else 3

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        return np.concatenate(x, axis=self._axis())

    def mindspore(self, ms: Emitter, *x: str) -> str:
        return f"ops.concat(({', '.join(x)}), {self._axis()})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        if self._axis() == 1 and all("tokens" in v.forms for v in x):
            return to.give(to.node("Concat", *(to.read(v, "tokens") for v in x), axis=2), "tokens")
        return to.give(to.node("Concat", *map(to.read, x), axis=self._axis()))

    @staticmethod
    def samples() -> Samples:
        return (
            (Concat(), ((None, 2, 4, 5), (None, 3, 4, 5))),
            (Concat(), ((None, 2), (None, 3), (None, 1))),
            (Concat("height"), ((None, 2, 4, 5), (None, 2, 1, 5))),
            (Concat("width"), ((None, 2, 4, 1), (None, 2, 4, 3), (None, 2, 4, 1))),
        )
