from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, Layout, OnnxEmitter, OnnxValue, Op, Samples, TensorType
from cmt_dsl.ops.attributes import Flag


@dataclass(frozen=True)
class Matmul(Op, kind="matmul"):
    """Product of the last two axes, `[n, g, a, b] × [n, g, b, c] -> [n, g, a, c]`.

    `transpose_a` and `transpose_b` read an operand with its last two axes exchanged.
    """

    family = "attention"

    transpose_a: Flag = False
    transpose_b: Flag = False
    arity = (2, 2)

    def infer(self, *x: TensorType) -> TensorType:
        a, b = x
        if len(a.shape) != 4 or len(b.shape) != 4 or not (a.batched and b.batched):
            raise ShapeError("CMT-204", f"needs two [n, groups, rows, columns], not {a} and {b}")
        if a.shape[1] != b.shape[1]:
            raise ShapeError("CMT-203", f"{a} and {b} have different numbers of groups (heads)")
        rows, inner = a.sizes[1:][:: -1 if self.transpose_a else 1]
        other, columns = b.sizes[1:][:: -1 if self.transpose_b else 1]
        if inner != other:
            message = f"{a} and {b} do not multiply: {inner} columns meet {other} rows"
            raise ShapeError("CMT-203", message, hint="see transpose_a and transpose_b")
        return TensorType((None, a.sizes[0], rows, columns))

    def macs(self, out: TensorType, *x: TensorType) -> int:
        return out.elements * x[0].sizes[1 if self.transpose_a else 2]

    def numpy(self, p: Arrays, *x: Array) -> Array:
        a = x[0].swapaxes(-1, -2) if self.transpose_a else x[0]
        b = x[1].swapaxes(-1, -2) if self.transpose_b else x[1]
        return a @ b

    def mindspore(self, ms: Emitter, *x: str) -> str:
        product = ms.cell("ops.BatchMatMul", self.transpose_a, self.transpose_b)
        return f"{product}({x[0]}, {x[1]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        a, b = x
        # (A B)ᵀ = Bᵀ Aᵀ: the product, or what attention reads next, whichever needs fewer transposes
        straight: list[tuple[OnnxValue, Layout]] = [
            (a, _read(self.transpose_a)),
            (b, _read(self.transpose_b)),
        ]
        turned: list[tuple[OnnxValue, Layout]] = [
            (b, _read(not self.transpose_b)),
            (a, _read(not self.transpose_a)),
        ]
        costs = [sum(layout not in v.forms for v, layout in pair) for pair in (straight, turned)]
        pair, turns = (straight, False) if costs[0] <= costs[1] else (turned, True)
        return to.give(to.node("MatMul", *(to.read(v, how) for v, how in pair)), _read(turns))

    @staticmethod
    def samples() -> Samples:
        return (
            (Matmul(), ((None, 2, 3, 4), (None, 2, 4, 5))),
            (Matmul(transpose_a=True), ((None, 2, 4, 3), (None, 2, 4, 5))),
            (Matmul(transpose_b=True), ((None, 2, 3, 4), (None, 2, 5, 4))),
            (Matmul(True, True), ((None, 2, 4, 3), (None, 2, 5, 4))),
        )


def _read(transposed: bool) -> Layout:
    return "swapped" if transposed else "map"
