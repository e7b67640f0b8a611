from __future__ import annotations

from dataclasses import dataclass, field

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import (
    LATER,
    Array,
    Arrays,
    Emitter,
    Init,
    OnnxEmitter,
    OnnxValue,
    Op,
    Param,
    Samples,
    TensorType,
)
from cmt_dsl.ops.attributes import Count, Flag, Margins, Sides, pair
from cmt_dsl.ops.windows import padded, span, window, windows


@dataclass(frozen=True)
class Conv2d(Op, kind="conv2d"):
    """2-D convolution `[n, c, h, w] -> [n, out, h', w']`; weight `[out, c/groups, kernel, kernel]`.

    `kernel`, `stride`, `padding` and `dilation` are one number or `[height, width]`. `padding` is the number
    of zero rows and columns on each side, `dilation` the distance between the rows that a kernel reads. A
    strided convolution without padding (a patch embedding, a K/V reduction) must divide its grid: dropped
    rows are a mistake.
    """

    family = "convolution"

    out: Count
    kernel: Sides
    padding: Margins
    bias: Flag
    init: Init
    stride: Sides = 1
    groups: Count = 1
    dilation: Sides = field(default=1, metadata=LATER)

    def infer(self, *x: TensorType) -> TensorType:
        c, h, w = x[0].map()
        if c % self.groups:
            message = f"{c} channels do not split into {self.groups} groups"
            raise ShapeError("CMT-201", message, attribute="groups")
        if self.out % self.groups:
            message = f"{self.out} output channels do not split into {self.groups} groups"
            raise ShapeError("CMT-201", message, attribute="out")
        sides: list[int] = []
        for side, name, k, s, p, d in zip((h, w), ("height", "width"), *self._pairs(), strict=True):
            if side + 2 * p < span(k, d):
                wide = f"{k}-wide kernel" + (f" of dilation {d}, which spans {span(k, d)}," if d > 1 else "")
                message = f"a {wide} does not fit a {name} of {side}"
                raise ShapeError("CMT-202", message, attribute="kernel")
            if p == 0 and s > 1 and side % s:
                message = f"stride {s} does not divide the {name} {side}"
                hint = f"the grid here is {h}×{w}: choose another input size, or a stride that divides it"
                raise ShapeError("CMT-202", message, attribute="stride", hint=hint)
            sides.append(window(side, k, s, p, d))
        return TensorType((None, self.out, *sides))

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        """Kernel, stride, padding and dilation, each for height and width."""
        return pair(self.kernel), pair(self.stride), pair(self.padding), pair(self.dilation)

    def params(self, *x: TensorType) -> tuple[Param, ...]:
        c, (kh, kw) = x[0].map()[0], pair(self.kernel)
        # whatever the groups: PyTorch's and MindSpore's initialisers know of none
        fan_out = self.out * kh * kw
        weight = Param("weight", (self.out, c // self.groups, kh, kw), self.init, decay=True, fan_out=fan_out)
        return (weight, Param("bias", (self.out,), "zeros")) if self.bias else (weight,)

    def macs(self, out: TensorType, *x: TensorType) -> int:
        kh, kw = pair(self.kernel)
        return out.elements * x[0].map()[0] // self.groups * kh * kw

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        (kh, kw), stride, padding, dilation = self._pairs()
        views = windows(padded(x[0], padding), (kh, kw), stride, dilation)
        n, c, h, w = views.shape[:4]
        g, weight = self.groups, p["weight"]
        if g == c == self.out:
            y = np.zeros((n, c, h, w), x[0].dtype)
            for i in range(kh):
                for j in range(kw):
                    y += views[..., i, j] * weight[None, :, 0, i, j, None, None]
        else:
            columns = views.reshape(n, g, c // g, h, w, kh * kw).transpose(1, 2, 5, 0, 3, 4)
            columns = columns.reshape(g, c // g * kh * kw, n * h * w)
            y = weight.reshape(g, self.out // g, -1) @ columns
            y = y.reshape(self.out, n, h, w).transpose(1, 0, 2, 3)
        return y + p["bias"][None, :, None, None] if self.bias else y

    def mindspore(self, ms: Emitter, *x: str) -> str:
        c = ms.types[0].map()[0]
        kernel, stride, padding, dilation = self._pairs()
        keeps_grid = stride == (1, 1) and all(
            2 * p == span(k, d) - 1 for k, p, d in zip(kernel, padding, dilation, strict=True)
        )
        spread: dict[str, object] = {} if dilation == (1, 1) else {"dilation": self.dilation}
        if self.groups == c == self.out and keeps_grid:
            if ms.takes_sum():
                spread["residual"] = True
            return f"{ms.support('DepthwiseConv', c, self.kernel, self.bias, **spread)}({x[0]})"
        options: dict[str, object] = {"stride": self.stride} if stride != (1, 1) else {}
        (p, q), around = padding, self.padding
        options |= {"pad_mode": "pad", "padding": around if p == q else (p, p, q, q), **spread}
        if self.groups > 1:
            options["group"] = self.groups
        conv = ms.cell(
            "nn.Conv2d", c, self.out, self.kernel, **options, has_bias=self.bias, weight_init="zeros"
        )
        return f"{conv}({x[0]})"

    def onnx(self, to: OnnxEmitter, *x: OnnxValue) -> OnnxValue:
        kernel, stride, padding, dilation = self._pairs()
        inputs = [to.initialiser(name, to.weights[name]) for name in ("weight", "bias")[: 1 + self.bias]]
        return to.give(
            to.node(
                "Conv",
                to.read(x[0]),
                *inputs,
                kernel_shape=kernel,
                strides=stride,
                pads=(*padding, *padding),
                dilations=dilation,
                group=self.groups,
            )
        )

    @staticmethod
    def samples() -> Samples:
        shape = ((None, 6, 8, 10),)
        he = "he_fan_out"
        return (
            (Conv2d(4, 3, 1, True, he), shape),
            (Conv2d(6, 3, 1, True, he, groups=6), shape),
            (Conv2d(6, 2, 0, False, he, stride=2, groups=6), shape),
            (Conv2d(4, 3, 1, False, he, stride=2), shape),
            (Conv2d(9, 1, 0, True, he), shape),
            (Conv2d(4, 5, 2, True, he, groups=2), shape),
            (Conv2d(4, (1, 7), (0, 3), True, he), shape),
            (Conv2d(4, (3, 2), (1, 0), False, he, stride=(1, 2), groups=2), shape),
            (Conv2d(4, 3, (2, 1), True, he, stride=(2, 1), dilation=2), shape),
            (Conv2d(6, (1, 7), (0, 3), True, he, groups=6), shape),
            (Conv2d(6, (5, 3), (6, 1), False, he, groups=6, dilation=(3, 1)), shape),
            (Conv2d(6, 3, 2, True, he, groups=6, dilation=2), shape),
            (Conv2d(6, (3, 1), (1, 0), True, he, stride=(2, 1), groups=6), shape),
            (Conv2d(6, 3, (1, 2), False, he, stride=(1, 2), groups=6, dilation=(1, 2)), shape),
            (Conv2d(6, (2, 3), (0, 2), True, he, groups=6), shape),
        )
