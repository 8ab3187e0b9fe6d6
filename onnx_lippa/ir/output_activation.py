"""The output activation of a classifier, which the network leaves out."""

from __future__ import annotations

from enum import Enum

import numpy as np
import scipy.special

from onnx_lippa.arrays import Float64


class OutputActivation(Enum):
    """The last step of a classifier; each keeps the order of the classes."""

    IDENTITY = "logits"
    SOFTMAX = "Softmax"
    LOG_SOFTMAX = "LogSoftmax"
    SIGMOID = "Sigmoid"

    def apply(self, logits: Float64) -> Float64:
        """The model's own output (n, k) for these logits (n, k)."""
        if self is OutputActivation.IDENTITY:
            return logits
        if self is OutputActivation.SIGMOID:
            return scipy.special.expit(logits)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return (
            shifted - log_sum if self is OutputActivation.LOG_SOFTMAX else np.exp(shifted - log_sum)
        )
