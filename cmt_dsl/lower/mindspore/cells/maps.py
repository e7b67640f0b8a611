"""Layers over the channels and positions of maps.

Classes here are copied, one at a time, into generated source, so each uses only `ms`, `nn`, `ops`, `Tensor`, `Parameter`
and other classes of this folder. Maps are `[n, c, h, w]`, float32 or, under mixed precision, float16 (arithmetic that
would lose digits is done in float32). On the CPU they are compiled kernels, or without these compositions of the
operators that are vectorised there; on Ascend they are the native operator where one exists.
"""

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from cmt_dsl.lower.mindspore.kernels import kernel


class ChannelNormSaved(nn.Cell):
    """x[n, c, l], gamma[c], beta[c] -> (y[n, c, l], x - mean, 1 / std [n, 1, l], gamma / std), float32.

    Sums and spreads are matrix products with a row or a column, which are several times faster than Reduce and than
    broadcasting arithmetic on the CPU. The variance is the mean of squared differences.
    """

    def __init__(self, channels, eps):
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.batch = ops.BatchMatMul()
        self.batch_tb = ops.BatchMatMul(transpose_b=True)

    def construct(self, x, gamma, beta):
        n, c, size = x.shape
        x, gamma, beta = ops.cast(x, ms.float32), ops.cast(gamma, ms.float32), ops.cast(beta, ms.float32)
        mean = ops.full((n, 1, c), 1.0 / self.channels, dtype=ms.float32)
        ones = ops.ones((n, c, 1), ms.float32)
        centred = x - self.batch(ones, self.batch(mean, x))
        inv = ops.rsqrt(self.batch(mean, ops.square(centred)) + self.eps)
        scale = self.batch(ops.broadcast_to(gamma.reshape(1, c, 1), (n, c, 1)), inv)
        shift = ops.MatMul()(beta.reshape(c, 1), ops.ones((1, size), ms.float32))
        return centred * scale + shift, centred, inv, scale

    def bprop(self, x, gamma, beta, out, dout):
        n, c, size = x.shape
        dy, gamma = ops.cast(dout[0], ms.float32), ops.cast(gamma, ms.float32)
        centred, inv = ops.cast(out[1], ms.float32), ops.cast(out[2], ms.float32)
        scale = ops.cast(out[3], ms.float32)
        ones = ops.ones((n, c, 1), ms.float32)
        row = ops.broadcast_to((gamma * (-1.0 / self.channels)).reshape(1, 1, c), (n, 1, c))
        t = dy * centred
        a = self.batch(row, dy) * inv
        b = self.batch(row, t) * (inv * inv * inv)
        spread = ops.cast(self.batch(ones, b), ms.float32)
        dx = ops.addn((dy * scale, centred * spread, ops.cast(self.batch(ones, a), ms.float32)))
        dgamma = ops.ReduceSum()(self.batch_tb(t, inv), (0, 2))
        sums = ops.MatMul()(dy.reshape(n * c, size), ops.ones((size, 1), ms.float32))
        dbeta = ops.ReduceSum()(sums.reshape(n, c), 0)
        return dx, dgamma, dbeta


class ChannelNorm(nn.Cell):
    """Layer normalisation over the channels of a map: x[n, c, h, w] -> [n, c, h, w] (Ba et al. 2016)."""

    def __init__(self, channels, eps):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"
        self.gamma = Parameter(ops.ones((channels,), ms.float32), name="gamma")
        self.beta = Parameter(ops.zeros((channels,), ms.float32), name="beta")
        self.kernel = None if self.native else kernel("channel_norm")
        self.by_kernel = self.kernel is not None
        self.eps = Tensor([eps], ms.float32)
        self.saved = ChannelNormSaved(channels, eps)
        self.layer_norm = ops.LayerNorm(-1, -1, eps)

    def construct(self, x):
        n, c, h, w = x.shape
        v = x.reshape(n, c, h * w).astype(ms.float32)
        gamma, beta = self.gamma.astype(ms.float32), self.beta.astype(ms.float32)
        if self.native:
            y = self.layer_norm(v.swapaxes(1, 2), gamma, beta)[0].swapaxes(1, 2)
        elif self.by_kernel:
            y = self.kernel(v, gamma, beta, self.eps)
        else:
            y = self.saved(v, gamma, beta)[0]
        return y.reshape(n, c, h, w).astype(x.dtype)


class PlainNorm(nn.Cell):
    """(x - mean) / std over the channels, x[n, c, ...] -> x[n, c, ...]: layer normalisation without a scale and a shift."""

    def __init__(self, eps):
        super().__init__()
        self.eps = eps

    def construct(self, x):
        v = x.astype(ms.float32)
        centred = v - v.mean(1, keep_dims=True)
        y = centred * ops.rsqrt(ops.square(centred).mean(1, keep_dims=True) + self.eps)
        return y.astype(x.dtype)


class Pointwise(nn.Cell):
    """Linear layer over the channels of a map: x[n, in, h, w] -> [n, out, h, w]; weight[out, in], bias[out]."""

    def __init__(self, in_channels, out_channels, has_bias):
        super().__init__()
        self.shape = (out_channels, in_channels, 1, 1)
        self.has_bias = has_bias
        self.weight = Parameter(ops.zeros((out_channels, in_channels), ms.float32), name="weight")
        self.conv = ops.Conv2D(out_channels, 1)
        if has_bias:
            self.bias = Parameter(ops.zeros((out_channels,), ms.float32), name="bias")

    def construct(self, x):
        y = self.conv(x, self.weight.astype(x.dtype).reshape(self.shape))
        if self.has_bias:
            y = ops.BiasAdd()(y, self.bias.astype(x.dtype))
        return y


class DepthwiseInputGrad(nn.Cell):
    """(x, weight, y) -> y, and the gradient of x as the depthwise convolution `conv` of dy with the turned kernel.

    The padding keeps the grid, so it is the same both ways.
    """

    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def construct(self, x, weight, y):
        return y

    def bprop(self, x, weight, y, out, dout):
        turned = ops.ReverseV2((2, 3))(ops.cast(weight, ops.DType()(dout)))
        return self.conv(dout, turned), ops.zeros_like(weight), dout


class DepthwiseConv(nn.Cell):
    """Depthwise convolution of stride 1 that keeps the grid, x[n, c, h, w] -> same; weight[c, 1, height, width].

    `kernel_size` and `dilation` are one number or (height, width); the padding is dilation * (kernel_size - 1) / 2, a
    whole number. With `residual` x is added. Without a compiled kernel the forward operator is used for the gradient
    of x: on the CPU the backward one takes 1.7 times as long.
    """

    def __init__(self, channels, kernel_size, has_bias, dilation=1, residual=False):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"
        self.has_bias = has_bias
        self.residual = residual
        height, width = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
        rows, columns = dilation if isinstance(dilation, tuple) else (dilation, dilation)
        p, q = rows * (height - 1) // 2, columns * (width - 1) // 2
        self.weight = Parameter(ops.zeros((channels, 1, height, width), ms.float32), name="weight")
        if has_bias:
            self.bias = Parameter(ops.zeros((channels,), ms.float32), name="bias")
        served = not self.native and (rows, columns) == (1, 1) and height % 2 == width % 2 == 1
        self.kernel = kernel("depthwise_residual" if residual else "depthwise") if served else None
        self.by_kernel = self.kernel is not None
        self.no_bias = ops.zeros((channels,), ms.float32)
        self.conv = ops.Conv2D(
            channels,
            (height, width),
            pad_mode="pad",
            pad=(p, p, q, q),
            dilation=(rows, columns),
            group=channels,
        )
        self.input_grad = DepthwiseInputGrad(self.conv)

    def construct(self, x):
        if self.by_kernel:
            bias = self.bias.astype(ms.float32) if self.has_bias else self.no_bias
            return self.kernel(x.astype(ms.float32), self.weight.astype(ms.float32), bias).astype(x.dtype)
        weight = self.weight.astype(x.dtype)
        if self.native:
            y = self.conv(x, weight)
        else:
            y = self.input_grad(x, weight, self.conv(ops.stop_gradient(x), weight))
        if self.has_bias:
            y = ops.BiasAdd()(y, self.bias.astype(x.dtype))
        return y + x if self.residual else y


class GlobalAvgPool(nn.Cell):
    """Mean over the positions of a map: x[n, c, h, w] -> [n, c]."""

    def __init__(self):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"

    def construct(self, x):
        n, c, h, w = x.shape
        if self.native:
            return ops.ReduceMean()(x, (2, 3))
        column = ops.full((h * w, 1), 1.0 / (h * w), dtype=x.dtype)
        return ops.MatMul()(x.reshape(n * c, h * w), column).reshape(n, c)
