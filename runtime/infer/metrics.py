"""What logits say beside labels; NumPy, float64."""

from __future__ import annotations

import numpy as np

from runtime.array import Array


def softmax(logits: Array) -> Array:
    """Probabilities of [n, classes] logits."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def count(logits: Array, labels: Array) -> tuple[int, int, float]:
    """Right at first guess, right within five guesses, summed cross-entropy.

    A tie counts against the model, and so does a logit that is not a number.
    """
    rows = np.arange(len(labels))
    own = logits[rows, labels][:, None]
    ahead = ~(logits < own)  # also where either is not a number
    ahead[rows, labels] = False
    better = ahead.sum(axis=1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
    return int((better < 1).sum()), int((better < 5).sum()), float(losses.sum())


def answers(logits: Array, labels: Array) -> Array:
    """[n] the class that each row of logits [n, k] answers: of several that are highest, one that is wrong; -1 for a NaN."""
    logits = logits.astype(np.float64)
    rows = np.arange(len(labels))
    own = logits[rows, labels]
    others = logits.copy()
    others[rows, labels] = -np.inf
    best = others.argmax(axis=1)
    alone = logits.shape[1] == 1
    found = np.where(alone | (own > others[rows, best]), labels, best)
    return np.where(np.isnan(logits).any(axis=1), -1, found)
