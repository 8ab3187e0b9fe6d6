"""Values as affine functions of what is not affine: the outputs of piecewise layers, the input.

Between those a network is affine whatever its input, so this part of a substitution is done once
for all inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape, size
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import AffineLayer
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.gather import Gather
from onnx_lippa.ir.layers.reshape import Reshape, Transpose
from onnx_lippa.ir.network import Network, Step

_ALGEBRA: Final = NumpyAlgebra()
_SINGLE: Final = (Reshape, Transpose, Gather, ScaleShift)
"""Layers each of whose outputs takes one input."""


@final
@dataclass(frozen=True)
class Form:
    """Some linear functions of a value, in terms of what is not affine.

    Attributes:
        start: index of the value.
        seeds: (functions, *shape) their coefficients at the value itself.
        parts: coefficients (functions, *shape) at the values that are not affine, by index.
        constant: (functions,) what is added.
    """

    start: int
    seeds: Float64
    parts: Mapping[int, Float64]
    constant: Float64


def shape_of(network: Network, index: int) -> Shape:
    """Sample shape of a value: 0 is the input, i + 1 the result of step i."""
    return network.input_shape if index == 0 else network.steps[index - 1].layer.shape


def pulled_back(step: Step, u: Float64, into: dict[int, Float64]) -> Float64:
    """Coefficients of an affine step's output, as those of its inputs.

    Args:
        step: the step.
        u: (rows, *shape) the coefficients.
        into: coefficients by index of the value, to which the results are added.

    Returns:
        The constants (rows,) that its offset gives.
    """
    layer = step.layer
    if not isinstance(layer, AffineLayer):
        raise TypeError(f"{type(layer).__name__} is not affine")
    for source, share in zip(step.inputs, layer.transpose(_ALGEBRA, u), strict=True):
        into[source] = share if source not in into else into[source] + share
    offset = layer.offset()
    if offset is None:
        return np.zeros(len(u))
    return u.reshape(len(u), -1) @ np.broadcast_to(offset, layer.shape).ravel()


def form_of(network: Network, start: int, seeds: Float64, deadline: float = NEVER) -> Form:
    """Linear functions (functions, *shape) of a value in terms of what is not affine.

    Raises:
        OutOfTimeError: the deadline has passed.
    """
    open_, parts = {start: seeds}, {}
    constant = np.zeros(len(seeds))
    for index in range(start, -1, -1):
        u = open_.pop(index, None)
        if u is None:
            continue
        require_time(deadline)
        if index == 0 or not isinstance(network.steps[index - 1].layer, AffineLayer):
            parts[index] = u
        else:
            constant += pulled_back(network.steps[index - 1], u, open_)
    return Form(start, seeds, parts, constant)


def is_exact_in_intervals(network: Network, index: int) -> bool:
    """Whether interval arithmetic has the exact bounds of a value over a box of inputs.

    It has where at most one layer between the two sums up what it takes.
    """
    sums = 0
    while index > 0:
        step = network.steps[index - 1]
        if not isinstance(step.layer, AffineLayer) or len(step.inputs) != 1:
            return False
        sums += not isinstance(step.layer, _SINGLE)
        (index,) = step.inputs
    return sums <= 1


def rounding_share(network: Network) -> float:
    """Relative rounding of a substitution through the whole network, for the sums of all layers.

    No inner product in a layer has more terms than it has inputs and outputs.
    """
    terms = sum(
        size(step.layer.shape) + sum(size(shape_of(network, i)) for i in step.inputs) + 16
        for step in network.steps
    )
    return (terms + 16) * float(np.finfo(np.float64).eps)
