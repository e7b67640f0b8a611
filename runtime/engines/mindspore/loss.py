"""The loss of a batch as a Cell."""

from __future__ import annotations

from runtime.device.environment import mindspore

ms = mindspore()
from mindspore import nn, ops  # noqa: E402


class Loss(nn.Cell):
    """Mean cross-entropy in float32: construct(images, targets [n, classes]) -> []. Targets are probabilities.

    `weighted` ones were multiplied by the weights of the classes: -Σ w_c t_c log p_c, as PyTorch's cross_entropy has it,
    but over the number of images, so that the mean of two half batches is that of the whole.
    """

    def __init__(self, net: nn.Cell, *, weighted: bool = False):
        super().__init__(auto_prefix=False)
        self.net, self.weighted = net, weighted
        self.entropy = ops.SoftmaxCrossEntropyWithLogits()

    def construct(self, images, targets):
        logits = self.net(images).astype(ms.float32)
        if not self.weighted:
            losses, _ = self.entropy(logits, targets)
            return losses.mean()
        total = targets.sum(axis=-1, keepdims=True)  # its gradient holds for probabilities alone
        losses, _ = self.entropy(logits, targets / total)
        return (losses * total[:, 0]).mean()


class ScaledLoss(nn.Cell):
    """The loss times the loss scale, so that float16 gradients do not vanish."""

    def __init__(self, loss: Loss):
        super().__init__(auto_prefix=False)
        self.loss = loss

    def construct(self, images, targets, scale):
        return self.loss(images, targets) * scale
