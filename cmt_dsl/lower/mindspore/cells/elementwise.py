"""Activations, dropout and drop path.

Classes here are copied, one at a time, into generated source, so each uses only `ms`, `nn`, `ops`, `Tensor`, `Parameter`
and other classes of this folder. Maps are `[n, c, h, w]`, float32 or, under mixed precision, float16 (arithmetic that
would lose digits is done in float32). On the CPU they are compiled kernels, or without these compositions of the
operators that are vectorised there; on Ascend they are the native operator where one exists.
"""

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from cmt_dsl.lower.mindspore.kernels import kernel


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
        self.kernel = None if self.native else kernel("gelu_erf")
        self.by_kernel = self.kernel is not None
        self.saved = GeluErfSaved()

    def construct(self, x):
        if self.native:
            return ops.gelu(x, approximate="none")
        if self.by_kernel:
            return ops.cast(self.kernel(ops.cast(x, ms.float32)), x.dtype)
        return self.saved(x)[0]


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
        self.kernel = None if self.native else kernel("gelu_tanh")
        self.by_kernel = self.kernel is not None
        self.saved = GeluTanhSaved()

    def construct(self, x):
        if self.native:
            return ops.gelu(x, approximate="tanh")
        if self.by_kernel:
            return ops.cast(self.kernel(ops.cast(x, ms.float32)), x.dtype)
        return self.saved(x)[0]


class Tanh(nn.Cell):
    """Hyperbolic tangent, elementwise, any shape; 2 * sigmoid(2 x) - 1 is exact, the CPU's own tanh is not."""

    def __init__(self):
        super().__init__()
        self.native = ms.get_context("device_target") != "CPU"

    def construct(self, x):
        return ops.tanh(x) if self.native else 2.0 * ops.sigmoid(2.0 * x) - 1.0


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


class Noise(nn.Cell):
    """construct(n) -> [n] float32, uniform in [0, 1): other numbers at every call, a function of `key` and `step` alone.

    Stateful random operators cannot be restored, so the numbers come from a counter: `step` counts the calls, element i
    is ((i + s0)^3 + s1)^3 modulo a prime of which cubing is a permutation, s = step * key[0] + key[1] modulo two primes
    (together they repeat after 5e8 steps). No product reaches 2^31, so any device gives the same integers.
    """

    def __init__(self):
        super().__init__()
        self.key = Parameter(ops.ones((2, 2), ms.int32), name="key", requires_grad=False)
        self.step = Parameter(Tensor(0, ms.int32), name="step", requires_grad=False)
        self.primes = Tensor([23159, 23143], ms.int32)
        self.prime = 23159

    def construct(self, n):
        step = ops.assign_add(self.step, Tensor(1, ms.int32))
        s = (step % self.primes * self.key[0] + self.key[1]) % self.primes
        i = ops.arange(0, n, 1, dtype=ms.int32)
        a = i % self.prime + s[0]
        b = a * a % self.prime * a % self.prime + (i // self.prime + s[1]) % self.prime
        return ops.cast(b * b % self.prime * b % self.prime, ms.float32) / float(self.prime)


class DropPath(nn.Cell):
    """Stochastic depth per sample (Huang et al. 2016): in training x[n, ...] is dropped with probability `rate`, else
    divided by 1 - rate. `rate` is data, so that blocks which differ only in it share one compiled graph.
    """

    def __init__(self):
        super().__init__()
        self.rate = Parameter(Tensor(0.0, ms.float32), name="rate", requires_grad=False)
        self.noise = Noise()

    def construct(self, x):
        if not self.training:
            return x
        n = x.shape[0]
        keep = 1.0 - self.rate.astype(ms.float32)
        mask = ops.floor(ops.stop_gradient(self.noise(n)) + keep) / keep
        return x * mask.astype(x.dtype).reshape((n,) + (1,) * (x.ndim - 1))


class Dropout(nn.Cell):
    """In training each element of x is zeroed with probability `rate`, else divided by 1 - rate; any shape."""

    def __init__(self, rate):
        super().__init__()
        self.keep = 1.0 - rate
        self.noise = Noise()

    def construct(self, x):
        if not self.training:
            return x
        mask = ops.floor(ops.stop_gradient(self.noise(x.size)) + self.keep) / self.keep
        return x * mask.astype(x.dtype).reshape(x.shape)
