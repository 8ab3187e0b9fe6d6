"""Piecewise-linear layers in terms of ReLUs, as forms.

- A kink: ``z = value + below (x - kink) + (above - below) max(x - kink, 0)``.
- A maximum: ``max(a, b) = a + max(b - a, 0)``, in rounds of pairs.
- A switch has no ReLUs, since it may jump. Where its condition is decided it is one of its
  branches; elsewhere it may be anything between the bounds of both.
"""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Integers, Shape, size
from onnx_lippa.certify.rectified.folding import Folding
from onnx_lippa.certify.rectified.forms import EPSILON, Forms
from onnx_lippa.errors import LippaError
from onnx_lippa.layers import PiecewiseLayer
from onnx_lippa.layers.max_last import MaxAlong
from onnx_lippa.layers.switch import Switch
from onnx_lippa.layers.two_piece import TwoPiece


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
        TooLargeError: as :class:`Folding` raises it.
    """
    origin = first + np.arange(size(layer.shape))
    if isinstance(layer, TwoPiece):
        return _kinked(folding, layer, operand, origin)
    if isinstance(layer, MaxAlong):
        return _largest(folding, layer, operand, origin)
    if isinstance(layer, Switch):
        return _switched(folding, layer, operand)
    raise NoRelaxationError(f"there is no relaxation of {type(layer).__name__}")


def _kinked(folding: Folding, layer: TwoPiece, operand: Forms, origin: Integers) -> Forms:
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


def _largest(folding: Folding, layer: MaxAlong, operand: Forms, origin: Integers) -> Forms:
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


def _switched(folding: Folding, layer: Switch, operand: Forms) -> Forms:
    wide = operand.padded(folding.features, folding.units)
    d, a, b = (wide.along(0, j).reshaped((size(layer.shape),)) for j in range(3))
    low, high = folding.bounds(d)
    # d = 0 takes the first branch: only what is surely below takes the second one.
    takes_a, open_ = low >= 0, np.flatnonzero((low < 0) & (high >= 0))
    z = a.where(takes_a, b)
    if open_.size:
        (a_low, a_high), (b_low, b_high) = (folding.bounds(part.take(open_)) for part in (a, b))
        anything = folding.further_features(np.minimum(a_low, b_low), np.maximum(a_high, b_high))
        z = z.padded(folding.features, folding.units).replaced(open_, anything)
    return z.reshaped(layer.shape)
