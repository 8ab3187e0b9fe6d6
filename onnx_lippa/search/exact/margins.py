"""Margins of networks of any size without rounding: at one point, and where they are constant."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.algebra.exact_algebra import Exact, ExactAlgebra, TooManyProductsError
from onnx_lippa.ir.layers import AffineLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import forward_pass
from onnx_lippa.search.exact.system import NotExactError
from onnx_lippa.spec import Conjunction

_ZERO: Final = Fraction(0)


def margins_at(
    network: Network, x: Float64, disjuncts: Sequence[Conjunction]
) -> tuple[Fraction, ...]:
    """The margin of every disjunct at one input (d,).

    Args:
        network: the network, as a function of real numbers.
        x: the input.
        disjuncts: the unsafe outputs; each has at least one row.

    Raises:
        NotExactError: it is too large for numbers without rounding.
    """
    try:
        algebra = ExactAlgebra()
        batch = Exact.of(x.reshape(1, *network.input_shape))
        outputs = forward_pass(algebra, network.steps, batch)[-1].fractions()
    except TooManyProductsError as error:
        raise NotExactError(str(error)) from error
    return tuple(max(_over(outputs, one)) for one in disjuncts)


def _over(outputs: Sequence[Fraction], disjunct: Conjunction) -> list[Fraction]:
    """``A y - b`` for each row."""
    return [
        sum((Fraction(row[j]) * outputs[j] for j in np.flatnonzero(row).tolist()), -Fraction(bound))
        for row, bound in zip(disjunct.matrix.tolist(), disjunct.bound.tolist(), strict=True)
    ]


def constant_margin(network: Network, row: Float64, bound: float) -> Fraction | None:
    """``row @ y - bound`` where it is one number for all inputs; None where that is not shown.

    It is where the row, pulled back through the affine layers at the end, depends on nothing:
    two outputs that are the same, for instance.

    Args:
        network: the network.
        row: (k,) coefficients of the outputs.
        bound: what is subtracted.
    """
    steps, algebra = network.steps, ExactAlgebra()
    pulled: list[Exact | None] = [None] * (len(steps) + 1)
    try:
        pulled[-1] = Exact.of(row.reshape(1, *network.output_shape))
        for index in range(len(steps), 0, -1):
            weighting = pulled[index]
            if weighting is None or not np.any(weighting.whole):
                pulled[index] = None
                continue
            step = steps[index - 1]
            if not isinstance(step.layer, AffineLayer):
                return None
            shares = step.layer.transpose(algebra, weighting)
            for source, share in zip(step.inputs, shares, strict=True):
                known = pulled[source]
                pulled[source] = share if known is None else algebra.add(known, share)
        first = pulled[0]
        if first is not None and np.any(first.whole):
            return None
        return _constant(network, pulled) - Fraction(bound)
    except TooManyProductsError:
        return None


def _constant(network: Network, pulled: Sequence[Exact | None]) -> Fraction:
    """The weighted offsets of the layers that a row was pulled back through."""
    total = _ZERO
    for step, weighting in zip(network.steps, pulled[1:], strict=True):
        if weighting is None or not isinstance(step.layer, AffineLayer):
            continue
        offset = step.layer.offset()
        if offset is None:
            continue
        whole = Exact.of(np.broadcast_to(offset, step.layer.shape))
        weights = weighting.whole.reshape(step.layer.shape)
        product = int(np.sum(weights * whole.whole))
        total += product * Fraction(2) ** (whole.exponent + weighting.exponent)
    return total
