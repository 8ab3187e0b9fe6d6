"""What a model makes of its logits at the very end."""

from __future__ import annotations

from enum import Enum

import numpy as np
import scipy.special

from onnx_lippa.arrays import Float64


class Readout(Enum):
    """The last step of a classifier; each keeps the order of the classes."""

    LOGITS = "logits"
    SOFTMAX = "Softmax"
    LOG_SOFTMAX = "LogSoftmax"
    SIGMOID = "Sigmoid"

    def apply(self, logits: Float64) -> Float64:
        """The model's own output (n, k) for these logits (n, k)."""
        if self is Readout.LOGITS:
            return logits
        if self is Readout.SIGMOID:
            return scipy.special.expit(logits)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return shifted - log_sum if self is Readout.LOG_SOFTMAX else np.exp(shifted - log_sum)
