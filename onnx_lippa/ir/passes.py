"""Forward and reverse passes over the steps of a network, in any algebra.

In NumPy they give numbers; in the graph algebra they give an ONNX graph of the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from onnx_lippa.ir.algebra import Algebra
from onnx_lippa.ir.layers import AffineLayer, Layer, PiecewiseLayer

V = TypeVar("V")


class StepLike(Protocol):
    """A step, as far as the passes use it."""

    @property
    def layer(self) -> Layer:
        """The layer."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """Indices of its operands."""


def forward_pass(algebra: Algebra[V], steps: Sequence[StepLike], x: V) -> list[V]:
    """All values of the network: the input, then the result of every step."""
    values = [x]
    for step in steps:
        operands = [values[index] for index in step.inputs]
        values.append(_forward(algebra, step.layer, operands))
    return values


def _forward(algebra: Algebra[V], layer: Layer, operands: Sequence[V]) -> V:
    if isinstance(layer, AffineLayer):
        return layer.forward(algebra, *operands)
    if isinstance(layer, PiecewiseLayer):
        return layer.forward(algebra, operands[0])
    raise TypeError(f"{type(layer).__name__} is neither affine nor piecewise linear")


def read_states(
    algebra: Algebra[V], steps: Sequence[StepLike], values: Sequence[V]
) -> list[V | None]:
    """The state of every piecewise-linear step at these values; None for affine steps."""
    return [
        step.layer.state(algebra, values[step.inputs[0]])
        if isinstance(step.layer, PiecewiseLayer)
        else None
        for step in steps
    ]


def transpose_pass(
    algebra: Algebra[V],
    steps: Sequence[StepLike],
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
