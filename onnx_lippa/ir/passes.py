"""Forward and reverse passes over the steps of a network, in any algebra.

In NumPy they give numbers; in the graph algebra they give an ONNX graph of the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_lippa.ir.algebra import Algebra, V
from onnx_lippa.ir.layers import AffineLayer, Layer, PiecewiseLayer


@dataclass(frozen=True)
class Step:
    """One layer of a network and its operands.

    Attributes:
        name: name of the ONNX node.
        op: its operator.
        tensor: name of the ONNX tensor it computes.
        layer: the layer.
        inputs: indices of its operands: 0 is the network's input, i + 1 the result of step i.
    """

    name: str
    op: str
    tensor: str
    layer: Layer
    inputs: tuple[int, ...]


def forward_pass(algebra: Algebra[V], steps: Sequence[Step], x: V) -> list[V]:
    """All values of the network: the input, then the result of every step."""
    values = [x]
    for step in steps:
        values.append(step.layer.forward(algebra, *(values[index] for index in step.inputs)))
    return values


def read_states(algebra: Algebra[V], steps: Sequence[Step], values: Sequence[V]) -> list[V | None]:
    """The state of every piecewise-linear step at these values; None for affine steps."""
    return [
        step.layer.state(algebra, values[step.inputs[0]])
        if isinstance(step.layer, PiecewiseLayer)
        else None
        for step in steps
    ]


def transpose_pass(
    algebra: Algebra[V],
    steps: Sequence[Step],
    states: Sequence[V | None],
    start: int,
    seed: V,
) -> V | None:
    """The vector-Jacobian product of one value with respect to the network's input.

    Args:
        algebra: the algebra.
        steps: the steps.
        states: state of every piecewise-linear step (None for the others).
        start: index of the value (``len(steps)`` for the output).
        seed: the vector, of the shape of the value.

    Returns:
        ``J^T seed`` at the input, or None where the value does not depend on it.
    """
    cotangents: list[V | None] = [None] * (start + 1)
    cotangents[start] = seed
    for index in range(start, 0, -1):
        cotangent = cotangents[index]
        if cotangent is None:
            continue
        step, state = steps[index - 1], states[index - 1]
        for source, share in zip(
            step.inputs, _transpose(algebra, step.layer, state, cotangent), strict=True
        ):
            known = cotangents[source]
            cotangents[source] = share if known is None else algebra.add(known, share)
    return cotangents[0]


def _transpose(algebra: Algebra[V], layer: Layer, state: V | None, u: V) -> tuple[V, ...]:
    if isinstance(layer, AffineLayer):
        return layer.transpose(algebra, u)
    if isinstance(layer, PiecewiseLayer) and state is not None:
        return (layer.piece_transpose(algebra, state, u),)
    raise TypeError(f"{type(layer).__name__} has no transpose here")
