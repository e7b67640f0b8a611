"""One figure of several positions: sums along axes and means over windows.

Classes here are copied, one at a time, into generated source, so each uses only `ms`, `nn`, `ops`, `Tensor`, `Parameter`
and other classes of this folder. On the CPU they are compositions of the operators that are vectorised there; on
Ascend they are the native operator where one exists.
"""

import mindspore as ms
from mindspore import nn, ops


class AxisSum(nn.Cell):
    """Sum of x over neighbouring `axes`, times `factor`: x[n, ...] -> [n, *sizes], where summed axes have size 1.

    `count` elements are summed, `after` is the number of elements behind them. float32 inside.
    """

    def __init__(self, axes, count, after, sizes, factor):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"
        self.axes, self.count, self.after, self.factor = axes, count, after, factor
        self.shape = (-1, *sizes)

    def construct(self, x):
        v = x.astype(ms.float32)
        if self.native:
            y = ops.ReduceSum(True)(v, self.axes) * self.factor
        elif self.after == 1:
            v = v.reshape(-1, self.count)
            y = ops.MatMul()(v, ops.full((self.count, 1), self.factor, dtype=ms.float32))
        else:
            v = v.reshape(-1, self.count, self.after)
            y = ops.BatchMatMul()(ops.full((v.shape[0], 1, self.count), self.factor, dtype=ms.float32), v)
        return y.reshape(self.shape).astype(x.dtype)


class AvgPoolInside(nn.Cell):
    """(x, x with its padding) -> mean of each window over the positions that lie in x[n, c, *size]."""

    def __init__(self, kernel, stride, size):
        super().__init__()
        self.pool = nn.AvgPool2d(kernel, stride)
        self.size, self.shape = size, (1, 1, *size)

    def construct(self, x, padded):
        p, q = (padded.shape[2] - self.size[0]) // 2, (padded.shape[3] - self.size[1]) // 2
        ones = ops.pad(ops.ones(self.shape, x.dtype), [q, q, p, p])
        return self.pool(padded) / self.pool(ones)
