"""The truth in rational numbers: networks at points, and dual values of multipliers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from onnx_lippa.arrays import size
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import AffineLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.network import Network

Numbers = list[Fraction]


def fractions(values) -> Numbers:
    return [Fraction(float(value)) for value in np.asarray(values).ravel()]


def dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    pairs = zip(left, right, strict=True)
    return sum((a * b for a, b in pairs if a and b), start=Fraction(0))


class ExactNetwork:
    """A network of affine layers, kinks and maxima, evaluated without rounding.

    The matrix of an affine layer is read off at unit vectors, where nothing is rounded as long as
    it is one operation.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.parts: list[list[list[Numbers]]] = []
        shapes = [network.input_shape, *(step.layer.shape for step in network.steps)]
        algebra = NumpyAlgebra()
        for step in network.steps:
            matrices = []
            if isinstance(step.layer, AffineLayer):
                sources = [shapes[i] for i in step.inputs]
                for place, source in enumerate(sources):
                    operands = [np.zeros((size(source), *other)) for other in sources]
                    operands[place] = np.eye(size(source)).reshape(size(source), *source)
                    columns = step.layer.linear(algebra, *operands).reshape(size(source), -1)
                    matrices.append([fractions(row) for row in columns.T])
            self.parts.append(matrices)

    def values(self, x: Numbers) -> list[Numbers]:
        """All values of the network at an input."""
        values = [x]
        for step, matrices in zip(self.network.steps, self.parts, strict=True):
            layer, operands = step.layer, [values[i] for i in step.inputs]
            if isinstance(layer, AffineLayer):
                total = [Fraction(0)] * size(layer.shape)
                for matrix, operand in zip(matrices, operands, strict=True):
                    total = [t + dot(row, operand) for t, row in zip(total, matrix, strict=True)]
                offset = layer.offset
                if offset is not None:
                    wide = fractions(np.broadcast_to(offset, layer.shape))
                    total = [t + o for t, o in zip(total, wide, strict=True)]
                values.append(total)
            elif isinstance(layer, Activation):
                values.append(_kinked(layer, operands[0]))
            elif isinstance(layer, ReduceMax):
                source = (*layer.shape[: layer.axis], layer.entries, *layer.shape[layer.axis :])
                column = np.array(operands[0], object).reshape(source)
                values.append(list(column.max(axis=layer.axis).ravel()))
            else:
                raise TypeError(type(layer).__name__)
        return values

    def forward(self, x: Numbers) -> Numbers:
        return self.values(x)[-1]


def _kinked(layer: Activation, x: Numbers) -> Numbers:
    parts = (
        fractions(np.broadcast_to(part, layer.shape))
        for part in (layer.kink, layer.below, layer.above)
    )
    return [k + (a if t >= k else b) * (t - k) for t, k, b, a in zip(x, *parts, strict=True)]


def inside(domain: InputDomain, generator: np.random.Generator) -> Numbers:
    """A point of a box with coordinates that are ends, or between them."""
    e = [Fraction(int(n), 4) for n in generator.integers(0, 5, domain.lower.size)]
    low, high = fractions(domain.lower), fractions(domain.upper)
    return [low_ + t * (high_ - low_) for low_, high_, t in zip(low, high, e, strict=True)]


def dual_value(
    units: Units,
    objectives: Objectives,
    row: int,
    nu,
    state,
    lower,
    upper,
) -> Fraction | None:
    """What multipliers prove of a function in real arithmetic; None for nothing.

    The errors of units and functions are left out: this is about rounding alone.
    """
    nu, m = fractions(nu), fractions(objectives.on_units[row])
    total = Fraction(float(objectives.offset[row])) + dot(nu, fractions(units.offset))
    for k, weight in enumerate(nu):
        if weight:
            for i, entry in enumerate(fractions(units.on_units[k])):
                m[i] += weight * entry
    for column, own in enumerate(fractions(objectives.on_input[row])):
        total -= abs(own + dot(nu, fractions(units.on_input[:, column])))
    for i, (mi, ni) in enumerate(zip(m, nu, strict=True)):
        most = Fraction(float(upper[i]))
        if state[i] > 0:
            total += min(Fraction(0), (mi - ni) * most)
        elif state[i] < 0:
            if ni < 0:
                return None
        else:
            least = Fraction(float(lower[i]))
            total += min(Fraction(0), -ni * least, (mi - ni) * most)
    return total


def pre_activations(reduced: ReducedNetwork, x: Numbers, z: Numbers) -> tuple[Numbers, Numbers]:
    """The forms of all ẑ and of all outputs at x and z, in rational numbers."""
    found = []
    for on_input, on_units, offset in (
        (reduced.on_input, reduced.on_units, reduced.offset),
        (reduced.outputs_on_input, reduced.outputs_on_units, reduced.outputs_offset),
    ):
        found.append(
            [
                dot(fractions(a), x) + dot(fractions(b), z) + Fraction(float(c))
                for a, b, c in zip(on_input, on_units, offset, strict=True)
            ]
        )
    return found[0], found[1]
