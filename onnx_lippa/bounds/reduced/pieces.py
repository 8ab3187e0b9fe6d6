"""Piecewise-linear layers in terms of ReLUs, as forms.

- A kink: ``z = value + below (x - kink) + (above - below) max(x - kink, 0)``.
- A maximum: ``max(a, b) = a + max(b - a, 0)``, in rounds of pairs.
- A switch whose condition is decided is one of its branches. Elsewhere, where the branches meet
  at d = 0, it is ``b + k max(d, 0)``. One that jumps has no ReLUs: the jump beside such a kink may
  be anything up to its bounds, or where it is no small part, the switch anything between the bounds
  of both branches. Where the sign of d is given (``search/switches.py``) the switch is one of its
  branches, and d is a unit of this sign.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.bounds.reduced.affine import Forms
from onnx_lippa.bounds.reduced.folding import Folding, NoInputsError
from onnx_lippa.bounds.rounding import EPSILON
from onnx_lippa.errors import LippaError
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.select import Select

_MEET: Final = 1e-7
"""A jump of at most this share of the branches' sizes is an error of a kink."""
_SMALL: Final = 0.5
"""A jump whose bounds are narrower than this share of the branches' is one beside a kink."""


class NoRelaxationError(LippaError):
    """A piecewise-linear layer of a kind that is not known here."""


def folded(folding: Folding, layer: PiecewiseLayer, operand: Forms, first: int) -> Forms:
    """The layer on forms.

    Args:
        folding: the system so far.
        layer: the layer.
        operand: forms of its input, shaped.
        first: number of its first scalar unit among those of the network.

    Raises:
        NoRelaxationError: a kind of layer that is not known here.
        NoInputsError: no input has the signs that are given of its switches.
        TooLargeError: as :class:`Folding` raises it.
    """
    origin = first + np.arange(size(layer.shape))
    if isinstance(layer, Activation):
        return _kinked(folding, layer, operand, origin)
    if isinstance(layer, ReduceMax):
        return _largest(folding, layer, operand, origin)
    if isinstance(layer, Select):
        return _switched(folding, layer, operand, origin)
    raise NoRelaxationError(f"there is no relaxation of {type(layer).__name__}")


def _kinked(folding: Folding, layer: Activation, operand: Forms, origin: Integers) -> Forms:
    flat: Shape = (size(layer.shape),)
    kink, value, below, above = (
        np.broadcast_to(part, layer.shape).ravel()
        for part in (layer.kink, layer.value, layer.below, layer.above)
    )
    x = operand.reshaped(flat).shifted(-kink)
    z = folding.relu(x, origin)
    if np.any(below):
        z = z.scaled(above - below, EPSILON * np.abs(above - below)).plus(x.scaled(below))
    else:
        z = z.scaled(above)
    return z.shifted(value).reshaped(layer.shape)


def _largest(folding: Folding, layer: ReduceMax, operand: Forms, origin: Integers) -> Forms:
    axis = layer.axis
    entries = [operand.along(axis, j).reshaped((origin.size,)) for j in range(layer.entries)]
    while len(entries) > 1:
        pairs = list(zip(entries[::2], entries[1::2], strict=False))
        left_over = entries[2 * len(pairs) :]
        a = _side_by_side(folding, [pair[0] for pair in pairs])
        b = _side_by_side(folding, [pair[1] for pair in pairs])
        difference = b.plus(a.scaled(np.array(-1.0)))
        larger = a.plus(folding.relu(difference, np.tile(origin, len(pairs))))
        columns = np.arange(len(pairs) * origin.size).reshape(len(pairs), -1)
        entries = [larger.take(chosen) for chosen in columns] + left_over
    return entries[0].reshaped(layer.shape)


def _side_by_side(folding: Folding, parts: list[Forms]) -> Forms:
    return Forms.side_by_side(parts, folding.features, folding.units)


def _switched(folding: Folding, layer: Select, operand: Forms, origin: Integers) -> Forms:
    wide = operand.padded(folding.features, folding.units)
    d, a, b = (wide.along(0, j).reshaped((size(layer.shape),)) for j in range(3))
    low, high = folding.bounds(d)
    # d = 0 takes the first branch: only what is surely below takes the second one.
    signs = folding.signs(origin)
    if np.any((signs > 0) & (high < 0)) or np.any((signs < 0) & (low >= 0)):
        raise NoInputsError("no input has these signs")
    unsure = (low < 0) & (high >= 0)
    if np.any(signs != 0):
        known = np.flatnonzero(unsure & (signs != 0))
        folding.restrict(d.take(known), low[known], high[known], signs[known], origin[known])
        d, a, b = (part.padded(folding.features, folding.units) for part in (d, a, b))
    takes_a, open_ = (low >= 0) | (signs > 0), np.flatnonzero(unsure & (signs == 0))
    z = a.where(takes_a, b)
    if open_.size:
        either = _either(folding, d.take(open_), a.take(open_), b.take(open_), origin[open_])
        z = z.padded(folding.features, folding.units).replaced(open_, either)
    return z.reshaped(layer.shape)


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def _either(folding: Folding, d: Forms, a: Forms, b: Forms, origin: Integers) -> Forms:
    """a where d >= 0, b elsewhere, of flat forms: ``b + k max(d, 0)`` and what that leaves.

    Where d >= 0 it leaves ``a - b - k d``, elsewhere nothing. Where the branches meet wherever
    d = 0, that is 0 for the right k, but for the rounding of weights, which counts as an error.
    """
    slope = _slope(folding, d, a, b)
    rest = a.plus(b.scaled(np.array(-1.0))).plus(d.scaled(-slope))
    least, most = folding.bounds(rest)
    least, most = np.minimum(least, 0.0), np.maximum(most, 0.0)
    jump = np.maximum(most, -least)
    sizes = np.maximum(a.size, b.size)
    meet = np.isfinite(sizes) & (jump <= _MEET * sizes)
    (a_low, a_high), (b_low, b_high) = (folding.bounds(part) for part in (a, b))
    low, high = np.minimum(a_low, b_low), np.maximum(a_high, b_high)
    near = meet | (np.isfinite(jump) & (most - least < _SMALL * (high - low)))
    kinked = np.flatnonzero(near)
    z = b
    if kinked.size:
        bent = folding.relu(d.take(kinked), origin[kinked]).scaled(slope[kinked])
        z = z.padded(folding.features, folding.units)
        bent = b.take(kinked).plus(bent)
        bent = replace(bent, error=bent.error + np.where(meet, jump, 0.0)[kinked])
        z = z.replaced(kinked, bent)
    jumps = np.flatnonzero(~meet)
    if jumps.size:
        low, high = np.where(near, least, low), np.where(near, most, high)
        anything = folding.further_features(low[jumps], high[jumps], origin[jumps])
        z = z.padded(folding.features, folding.units)
        beside = z.take(jumps).plus(anything).where(near[jumps], anything)
        z = z.replaced(jumps, beside)
    return z


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def _slope(folding: Folding, d: Forms, a: Forms, b: Forms) -> Float64:
    """The k of each with which ``k d`` varies most as ``a - b`` does, by their coefficients."""
    weights = folding.largest()
    weights[0] = 0.0  # what constants differ by is the jump
    by_input, by_unit = weights[: 1 + folding.features], weights[1 + folding.features :]
    condition, difference = (
        np.concatenate([by_input[:, None] * part.on_input, by_unit[:, None] * part.on_units])
        for part in (d, a.plus(b.scaled(np.array(-1.0))))
    )
    largest = np.abs(condition).max(axis=0)
    condition /= np.where(largest > 0, largest, 1.0)
    norm = (condition**2).sum(axis=0) * np.where(largest > 0, largest, 1.0)
    slope: Float64 = (condition * difference).sum(axis=0) / np.where(norm > 0, norm, 1.0)
    return np.where(np.isfinite(slope), slope, 0.0)
