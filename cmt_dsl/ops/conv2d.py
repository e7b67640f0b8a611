from __future__ import annotations

from dataclasses import dataclass

from cmt_dsl.errors import ShapeError
from cmt_dsl.ir import Array, Arrays, Emitter, Init, Op, Param, TensorType
from cmt_dsl.ops.attributes import Count, Flag, Padding
from cmt_dsl.ops.windows import window, windows


@dataclass(frozen=True)
class Conv2d(Op, kind="conv2d"):
    """2-D convolution `[n, c, h, w] -> [n, out, h', w']`; weight `[out, c/groups, kernel, kernel]`.

    `padding` is the number of zero rows and columns on each side. A strided convolution without
    padding (a patch embedding, a K/V reduction) must divide its grid: dropped rows are a mistake.
    """

    out: Count
    kernel: Count
    padding: Padding
    bias: Flag
    init: Init
    stride: Count = 1
    groups: Count = 1

    def infer(self, *x: TensorType) -> TensorType:
        c, h, w = x[0].map()
        if c % self.groups:
            message = f"{c} channels do not split into {self.groups} groups"
            raise ShapeError("CMT-201", message, attribute="groups")
        if self.out % self.groups:
            message = f"{self.out} output channels do not split into {self.groups} groups"
            raise ShapeError("CMT-201", message, attribute="out")
        for side, name in ((h, "height"), (w, "width")):
            if side + 2 * self.padding < self.kernel:
                message = f"a {self.kernel}-wide kernel does not fit a {name} of {side}"
                raise ShapeError("CMT-202", message, attribute="kernel")
            if self.padding == 0 and self.stride > 1 and side % self.stride:
                message = f"stride {self.stride} does not divide the {name} {side}"
                hint = f"the grid here is {h}×{w}: choose another input size, or a stride that divides it"
                raise ShapeError("CMT-202", message, attribute="stride", hint=hint)
        sides = (window(s, self.kernel, self.stride, self.padding) for s in (h, w))
        return TensorType((None, self.out, *sides))

    def params(self, *x: TensorType) -> tuple[Param, ...]:
        c, k = x[0].map()[0], self.kernel
        fan_out = (
            self.out * k * k
        )  # groups do not count: neither PyTorch's initialiser nor MindSpore's knows of them
        weight = Param("weight", (self.out, c // self.groups, k, k), self.init, decay=True, fan_out=fan_out)
        return (weight, Param("bias", (self.out,), "zeros")) if self.bias else (weight,)

    def macs(self, out: TensorType, *x: TensorType) -> int:
        return out.elements * x[0].map()[0] // self.groups * self.kernel**2

    def numpy(self, p: Arrays, *x: Array) -> Array:
        import numpy as np

        pad, k, s = self.padding, self.kernel, self.stride
        padded = np.pad(x[0], ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        views = windows(padded, k, s)
        n, c, h, w = views.shape[:4]
        g, weight = self.groups, p["weight"]
        if g == c == self.out:
            y = np.zeros((n, c, h, w), x[0].dtype)
            for i in range(k):
                for j in range(k):
                    y += views[..., i, j] * weight[None, :, 0, i, j, None, None]
        else:
            columns = views.reshape(n, g, c // g, h, w, k * k).transpose(1, 2, 5, 0, 3, 4)
            columns = columns.reshape(g, c // g * k * k, n * h * w)
            y = weight.reshape(g, self.out // g, -1) @ columns
            y = y.reshape(self.out, n, h, w).transpose(1, 0, 2, 3)
        return y + p["bias"][None, :, None, None] if self.bias else y

    def mindspore(self, ms: Emitter, *x: str) -> str:
        c, k = ms.types[0].map()[0], self.kernel
        keeps_grid = k % 2 == 1 and self.padding == k // 2 and self.stride == 1
        if self.groups == c == self.out and keeps_grid:
            return f"{ms.support('DepthwiseConv', c, k, self.bias)}({x[0]})"
        options: dict[str, object] = {"stride": self.stride} if self.stride > 1 else {}
        options |= {"pad_mode": "pad", "padding": self.padding}
        if self.groups > 1:
            options["group"] = self.groups
        conv = ms.cell("nn.Conv2d", c, self.out, k, **options, has_bias=self.bias, weight_init="zeros")
        return f"{conv}({x[0]})"

    @staticmethod
    def samples() -> tuple[tuple[Op, tuple[tuple[int | None, ...], ...]], ...]:
        shape = ((None, 6, 8, 10),)
        return (
            (Conv2d(4, 3, 1, True, "he_fan_out"), shape),
            (Conv2d(6, 3, 1, True, "he_fan_out", groups=6), shape),
            (Conv2d(6, 2, 0, False, "he_fan_out", stride=2, groups=6), shape),
            (Conv2d(4, 3, 1, False, "he_fan_out", stride=2), shape),
            (Conv2d(9, 1, 0, True, "he_fan_out"), shape),
            (Conv2d(4, 5, 2, True, "he_fan_out", groups=2), shape),
        )
