"""Operators that act element by element and have kinks."""

from __future__ import annotations

import numpy as np

from tests.support.random_graphs.draft import Draft, Tensor


def relu(draft: Draft, x: Tensor) -> str:
    """Relu."""
    return draft.add("Relu", [x])


def absolute(draft: Draft, x: Tensor) -> str:
    """Abs."""
    return draft.add("Abs", [x])


def leaky_relu(draft: Draft, x: Tensor) -> str:
    """LeakyRelu, also of slopes below 0 and above 1."""
    alpha = draft.pick([0.01, 0.1, 0.3, -0.4, 1.5, 0.0])
    return draft.add("LeakyRelu", [x], **draft.sparse(alpha=(alpha, 0.01)))


def prelu(draft: Draft, x: Tensor) -> str:
    """PRelu with a slope for all, for each channel or for each element."""
    shape = draft.pick([(1,), (x.shape[0], *(1 for _ in x.shape[1:])), x.shape])
    if draft.chance(0.3):
        shape = draft.broadcasting(x.shape)
    slopes = 0.3 + draft.normal(*shape, scale=0.4)
    return draft.add("PRelu", [x, draft.constant(slopes)])


def clip(draft: Draft, x: Tensor) -> str:
    """Clip with one bound or both: attributes before opset 11, inputs from it on."""
    low, high = sorted(draft.generator.choice(np.arange(-4, 5), 2, replace=False) / 2)
    if draft.chance(0.3):
        low, high = 0.0, draft.pick([1.0, 6.0])
    bounds = {"min": float(low), "max": float(high)}
    for name in ("min", "max"):
        if len(bounds) == 2 and draft.chance(0.25):
            del bounds[name]
    if draft.opset < 11:
        return draft.add("Clip", [x], **bounds)
    inputs = [draft.constant(bounds[name]) if name in bounds else "" for name in ("min", "max")]
    while inputs and not inputs[-1]:
        inputs.pop()
    return draft.add("Clip", [x.name, *inputs])


def hard_sigmoid(draft: Draft, x: Tensor) -> str:
    """HardSigmoid."""
    alpha, beta = draft.pick([0.2, 1 / 6, 0.7, -0.3]), draft.pick([0.5, 0.0, 0.3])
    return draft.add("HardSigmoid", [x], **draft.sparse(alpha=(alpha, 0.2), beta=(beta, 0.5)))
