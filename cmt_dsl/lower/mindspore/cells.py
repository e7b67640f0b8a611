"""Support Cells that generated model source copies, one class at a time.

Maps are `[n, c, h, w]`, float32 or, under mixed precision, float16 (the arithmetic below is then done in float32).
Each class uses only `ms`, `nn`, `ops`, `Tensor`, `Parameter` and other classes of this file. On the CPU they are
compositions of the operators that are vectorised there; on Ascend they are the native operator where one exists.
"""

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops


class GeluErfSaved(nn.Cell):
    """x -> (x * Phi(x), derivative): saving the derivative leaves the backward pass one multiplication.

    logit(Phi(x)) = x * P(x * x), P the degree-6 minimax fit; |error| of x * Phi(x) < 1e-7 in exact arithmetic.
    The leading coefficient is positive, so overflow saturates the sigmoid to 0 or 1.
    """

    def construct(self, x):
        v = ops.cast(x, ms.float32)
        u = ops.square(v)
        p = 3.73892275e-09 * u - 2.72704990e-07
        p = p * u + 8.03499955e-06
        p = p * u - 1.11219769e-04
        p = p * u - 6.36007574e-05
        p = p * u + 7.26644678e-02
        p = p * u + 1.59577042
        cdf = ops.sigmoid(v * p)
        slope = cdf + v * (0.3989422804 * ops.exp(u * -0.5))
        return ops.cast(v * cdf, x.dtype), ops.cast(slope, x.dtype)

    def bprop(self, x, out, dout):
        return (dout[0] * out[1],)


class GeluErf(nn.Cell):
    """x * Phi(x), elementwise, any shape (Hendrycks & Gimpel 2016, the exact form)."""

    def __init__(self):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"
        self.saved = GeluErfSaved()

    def construct(self, x):
        return ops.gelu(x, approximate="none") if self.native else self.saved(x)[0]


class GeluTanhSaved(nn.Cell):
    """x -> (gelu_tanh(x), derivative); tanh(t) is written 2 * sigmoid(2 t) - 1, which is exact."""

    def construct(self, x):
        v = ops.cast(x, ms.float32)
        u = ops.square(v)
        s = ops.sigmoid(v * (0.0713548163 * u + 1.5957691216))
        y = v * s
        slope = s + (y - y * s) * (0.2140644488 * u + 1.5957691216)
        return ops.cast(y, x.dtype), ops.cast(slope, x.dtype)

    def bprop(self, x, out, dout):
        return (dout[0] * out[1],)


class GeluTanh(nn.Cell):
    """x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x**3)), elementwise, any shape (Hendrycks & Gimpel 2016)."""

    def __init__(self):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"
        self.saved = GeluTanhSaved()

    def construct(self, x):
        return ops.gelu(x, approximate="tanh") if self.native else self.saved(x)[0]


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
        self.saved = ChannelNormSaved(channels, eps)
        self.layer_norm = ops.LayerNorm(-1, -1, eps)

    def construct(self, x):
        n, c, h, w = x.shape
        v = x.reshape(n, c, h * w).astype(ms.float32)
        gamma, beta = self.gamma.astype(ms.float32), self.beta.astype(ms.float32)
        if self.native:
            y = self.layer_norm(v.swapaxes(1, 2), gamma, beta)[0].swapaxes(1, 2)
        else:
            y = self.saved(v, gamma, beta)[0]
        return y.reshape(n, c, h, w).astype(x.dtype)


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
    """(x, weight, y) -> y, and the gradient of x as the depthwise convolution of dy with the turned kernel."""

    def __init__(self, channels, kernel):
        super().__init__()
        self.conv = ops.Conv2D(channels, kernel, pad_mode="pad", pad=kernel // 2, group=channels)

    def construct(self, x, weight, y):
        return y

    def bprop(self, x, weight, y, out, dout):
        turned = ops.ReverseV2((2, 3))(ops.cast(weight, ops.DType()(dout)))
        return self.conv(dout, turned), ops.zeros_like(weight), dout


class DepthwiseConv(nn.Cell):
    """Depthwise convolution, odd kernel, stride 1, padding kernel // 2: x[n, c, h, w] -> same; weight[c, 1, k, k].

    The forward operator is used for the gradient of x: on the CPU the backward one takes 1.7 times as long.
    """

    def __init__(self, channels, kernel, has_bias):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"
        self.has_bias = has_bias
        self.weight = Parameter(ops.zeros((channels, 1, kernel, kernel), ms.float32), name="weight")
        self.conv = ops.Conv2D(channels, kernel, pad_mode="pad", pad=kernel // 2, group=channels)
        self.input_grad = DepthwiseInputGrad(channels, kernel)
        if has_bias:
            self.bias = Parameter(ops.zeros((channels,), ms.float32), name="bias")

    def construct(self, x):
        weight = self.weight.astype(x.dtype)
        if self.native:
            y = self.conv(x, weight)
        else:
            y = self.input_grad(x, weight, self.conv(ops.stop_gradient(x), weight))
        if self.has_bias:
            y = ops.BiasAdd()(y, self.bias.astype(x.dtype))
        return y


class SoftmaxSaved(nn.Cell):
    """Softmax over the last axis; its gradient p * dy - p * sum(p * dy) takes the sum as a product with ones."""

    def construct(self, x):
        return ops.softmax(x, -1)

    def bprop(self, x, out, dout):
        size = x.shape[-1]
        t = out * dout
        total = ops.MatMul()(t.reshape(-1, size), ops.ones((size, size), t.dtype))
        return (t - out * total.reshape(x.shape),)


class Softmax(nn.Cell):
    """Softmax over the last axis, any shape, float32 inside."""

    def __init__(self):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"
        self.saved = SoftmaxSaved()

    def construct(self, x):
        v = x.astype(ms.float32)
        return (ops.softmax(v, -1) if self.native else self.saved(v)).astype(x.dtype)


class DropPath(nn.Cell):
    """Stochastic depth per sample (Huang et al. 2016): in training x[n, ...] is dropped with probability `rate`, else
    divided by 1 - rate.

    `rate` is data, so that blocks which differ only in it share one compiled graph. Operators with a seed draw the same
    numbers in all blocks that share a graph; `key`, whole numbers of the instance, turns the common draws u[n, 8] into
    the fraction of sum(u * key), which is uniform again and independent between instances.
    """

    def __init__(self):
        super().__init__()
        key = ms.common.initializer.initializer(ms.common.initializer.Uniform(100.0), (1, 8), ms.float32)
        self.rate = Parameter(Tensor(0.0, ms.float32), name="rate", requires_grad=False)
        self.key = Parameter(key, name="key", requires_grad=False)
        self.uniform = ops.UniformReal(ms.get_seed() or 0, 0)

    def construct(self, x):
        if not self.training:
            return x
        n = x.shape[0]
        keep = 1.0 - self.rate.astype(ms.float32)
        mixed = ops.ReduceSum()(self.uniform((n, 8)) * ops.floor(self.key.astype(ms.float32)), 1)
        mask = ops.floor(mixed - ops.floor(mixed) + keep) / keep
        return x * mask.astype(x.dtype).reshape((n,) + (1,) * (x.ndim - 1))


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
