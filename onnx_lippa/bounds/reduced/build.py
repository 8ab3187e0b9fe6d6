"""Reduced networks, layer by layer: piecewise-linear layers written by ReLUs.

- A kink: ``z = value + below (x - kink) + (above - below) max(x - kink, 0)``.
- A maximum: ``max(a, b) = a + max(b - a, 0)``, in rounds of pairs.
- A select ``z = a if d >= 0 else b`` of known condition is one of its branches. Elsewhere, where
  the branches meet at d = 0, it is ``b + k max(d, 0)``. A select that jumps cannot be written by
  ReLUs. The jump beside such a kink is a further feature between its bounds, or, where the jump is
  no small part, so is the whole select. Where the sign of d is given (``search/selects.py``), the
  select is one of its branches and d a unit of that sign.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, States, size
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.proven import EPSILON
from onnx_lippa.bounds.reduced.affine import AffineExpressions
from onnx_lippa.bounds.reduced.reduction import (
    ContradictorySignsError,
    Reduction,
    Tightening,
    express_inputs,
)
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending, StoppedError
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.concat import Stack
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.ir.layers.select import Select
from onnx_lippa.ir.network import Network

_NEGLIGIBLE_JUMP: Final = 1e-7
"""A jump of at most this share of the branches' sizes counts as an error of a kink."""
_SMALL_JUMP: Final = 0.5
"""A jump whose bounds are narrower than this share of the branches' stands beside a kink."""


class NoRelaxationError(StoppedError):
    """A piecewise-linear layer that has no relaxation by ReLUs."""

    ending: ClassVar[Ending] = Ending.NO_RELAXATION


def reduce_layer(
    reduction: Reduction, layer: PiecewiseLayer, operand: AffineExpressions, first: int
) -> AffineExpressions:
    """A piecewise-linear layer on expressions.

    Args:
        reduction: the reduced network so far.
        layer: the layer.
        operand: expressions of its input, shaped.
        first: number of its first scalar unit in the network.

    Raises:
        NoRelaxationError: a layer of another kind.
        ContradictorySignsError: no input has the given signs.
        TooLargeError: as :class:`Reduction` raises it.
    """
    origin = first + np.arange(size(layer.shape))
    if isinstance(layer, Activation):
        return _reduce_kink(reduction, layer, operand, origin)
    if isinstance(layer, ReduceMax):
        return _reduce_maximum(reduction, layer, operand, origin)
    if isinstance(layer, Select):
        return _reduce_select(reduction, layer, operand, origin)
    raise NoRelaxationError(f"there is no relaxation of {type(layer).__name__}")


def _reduce_kink(
    reduction: Reduction, layer: Activation, operand: AffineExpressions, origin: Integers
) -> AffineExpressions:
    flat: Shape = (size(layer.shape),)
    kink, below, above = (
        np.broadcast_to(part, layer.shape).ravel()
        for part in (layer.kink, layer.below, layer.above)
    )
    x = operand.reshape(flat).shift(-kink)
    z = reduction.relu(x, origin)
    if np.any(below):
        z = z.scale(above - below, EPSILON * np.abs(above - below)).add(x.scale(below))
    else:
        z = z.scale(above)
    return z.shift(kink).reshape(layer.shape)


def _reduce_maximum(
    reduction: Reduction, layer: ReduceMax, operand: AffineExpressions, origin: Integers
) -> AffineExpressions:
    axis = layer.axis
    entries = [operand.along(axis, j).reshape((origin.size,)) for j in range(layer.entries)]
    while len(entries) > 1:
        pairs = list(zip(entries[::2], entries[1::2], strict=False))
        left_over = entries[2 * len(pairs) :]
        a = _concatenate(reduction, [pair[0] for pair in pairs])
        b = _concatenate(reduction, [pair[1] for pair in pairs])
        difference = b.add(a.scale(np.array(-1.0)))
        larger = a.add(reduction.relu(difference, np.tile(origin, len(pairs))))
        columns = np.arange(len(pairs) * origin.size).reshape(len(pairs), -1)
        entries = [larger.take(chosen) for chosen in columns] + left_over
    return entries[0].reshape(layer.shape)


def _concatenate(reduction: Reduction, parts: list[AffineExpressions]) -> AffineExpressions:
    return AffineExpressions.concatenate(parts, reduction.features, reduction.units)


def _reduce_select(
    reduction: Reduction, layer: Select, operand: AffineExpressions, origin: Integers
) -> AffineExpressions:
    wide = operand.pad(reduction.features, reduction.units)
    d, a, b = (wide.along(0, j).reshape((size(layer.shape),)) for j in range(3))
    low, high = reduction.bounds(d)
    # d = 0 takes the first branch, so only d < 0 takes the second.
    signs = reduction.signs(origin)
    if np.any((signs > 0) & (high < 0)) or np.any((signs < 0) & (low >= 0)):
        raise ContradictorySignsError("no input has these signs")
    unsure = (low < 0) & (high >= 0)
    if np.any(signs != 0):
        known = np.flatnonzero(unsure & (signs != 0))
        reduction.restrict(d.take(known), low[known], high[known], signs[known], origin[known])
        d, a, b = (part.pad(reduction.features, reduction.units) for part in (d, a, b))
    takes_a, open_ = (low >= 0) | (signs > 0), np.flatnonzero(unsure & (signs == 0))
    z = a.where(takes_a, b)
    if open_.size:
        either = _blend_branches(
            reduction, d.take(open_), a.take(open_), b.take(open_), origin[open_]
        )
        z = z.pad(reduction.features, reduction.units).put(open_, either)
    return z.reshape(layer.shape)


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def _blend_branches(
    reduction: Reduction,
    d: AffineExpressions,
    a: AffineExpressions,
    b: AffineExpressions,
    origin: Integers,
) -> AffineExpressions:
    """``a if d >= 0 else b`` of flat expressions, as ``b + k max(d, 0)`` plus a residual.

    The residual is ``a - b - k d`` where d >= 0, and 0 elsewhere. Where the branches meet at d = 0,
    it is 0 for the right k up to the rounding of weights, which counts as an error.
    """
    slope = _fit_slope(reduction, d, a, b)
    rest = a.add(b.scale(np.array(-1.0))).add(d.scale(-slope))
    least, most = reduction.bounds(rest)
    least, most = np.minimum(least, 0.0), np.maximum(most, 0.0)
    jump = np.maximum(most, -least)
    sizes = np.maximum(a.size, b.size)
    meet = np.isfinite(sizes) & (jump <= _NEGLIGIBLE_JUMP * sizes)
    (a_low, a_high), (b_low, b_high) = (reduction.bounds(part) for part in (a, b))
    low, high = np.minimum(a_low, b_low), np.maximum(a_high, b_high)
    near = meet | (np.isfinite(jump) & (most - least < _SMALL_JUMP * (high - low)))
    kinked = np.flatnonzero(near)
    z = b
    if kinked.size:
        bent = reduction.relu(d.take(kinked), origin[kinked]).scale(slope[kinked])
        z = z.pad(reduction.features, reduction.units)
        bent = b.take(kinked).add(bent)
        bent = replace(bent, error=bent.error + np.where(meet, jump, 0.0)[kinked])
        z = z.put(kinked, bent)
    jumps = np.flatnonzero(~meet)
    if jumps.size:
        low, high = np.where(near, least, low), np.where(near, most, high)
        anything = reduction.add_features(low[jumps], high[jumps], origin[jumps])
        z = z.pad(reduction.features, reduction.units)
        beside = z.take(jumps).add(anything).where(near[jumps], anything)
        z = z.put(jumps, beside)
    return z


@np.errstate(over="ignore", invalid="ignore", under="ignore")
def _fit_slope(
    reduction: Reduction, d: AffineExpressions, a: AffineExpressions, b: AffineExpressions
) -> Float64:
    """The least-squares k of ``k d = a - b``, by weighted coefficients."""
    weights = reduction.largest()
    weights[0] = 0.0  # the difference of the constants is the jump
    by_input, by_unit = weights[: 1 + reduction.features], weights[1 + reduction.features :]
    condition, difference = (
        np.concatenate([by_input[:, None] * part.on_input, by_unit[:, None] * part.on_units])
        for part in (d, a.add(b.scale(np.array(-1.0))))
    )
    largest = np.abs(condition).max(axis=0)
    condition /= np.where(largest > 0, largest, 1.0)
    norm = (condition**2).sum(axis=0) * np.where(largest > 0, largest, 1.0)
    slope: Float64 = (condition * difference).sum(axis=0) / np.where(norm > 0, norm, 1.0)
    return np.where(np.isfinite(slope), slope, 0.0)


def find_shared_conditions(network: Network) -> Integers:
    """(scalar units,) the first select with the same value as d; other units are their own.

    Values are compared, not formulas: where two differ by rounding, both branches may be taken.
    """
    first = np.arange(network.units)
    known: dict[tuple[int, int], int] = {}
    unit = 0
    for step in network.steps:
        if not isinstance(step.layer, PiecewiseLayer):
            continue
        count = size(step.layer.shape)
        if isinstance(step.layer, Select):
            source = _find_source(network, step.inputs[0], step.layer.shape)
            if source is not None:
                value, entries = source
                for number, entry in enumerate(entries.ravel().tolist()):
                    first[unit + number] = known.setdefault((value, entry), unit + number)
        unit += count
    return first


def _find_source(network: Network, stack: int, shape: Shape) -> tuple[int, Integers] | None:
    """The value that d of a select is, and (*shape) which of its entries; None if unknown."""
    if stack == 0:
        return None
    step = network.steps[stack - 1]
    part = step.layer.source(0) if isinstance(step.layer, Stack) else None
    if part is None:
        return None
    operand, source = part
    value = step.inputs[operand]
    entries = np.broadcast_to(np.arange(size(source)).reshape(source), shape)
    while value > 0 and isinstance(network.steps[value - 1].layer, Reshape):
        value = network.steps[value - 1].inputs[0]  # entries keep their order
    return value, entries


def reduce_network(
    network: Network, domain: InputDomain, tightening: Tightening, signs: States | None = None
) -> ReducedNetwork:
    """Eliminates the stable units of a network over an input domain.

    Args:
        network: the network.
        domain: the inputs.
        tightening: how pre-activations are bounded, and the limits.
        signs: (scalar units,) of selects: ACTIVE or INACTIVE where only inputs with ``d >= 0`` or
            ``d < 0`` count, UNDECIDED elsewhere; None for all inputs.

    Raises:
        ContradictorySignsError: no input has these signs.
        TooLargeError, OutOfTimeError: the expressions do not fit, or the deadline has passed.
        NoRelaxationError: a layer without a relaxation.
    """
    reduction = Reduction(domain, tightening, signs)
    last_use = {i: number for number, step in enumerate(network.steps) for i in step.inputs}
    values: list[AffineExpressions] = [express_inputs(domain, network)]
    first = 0
    for number, step in enumerate(network.steps):
        layer, operands = step.layer, [values[i] for i in step.inputs]
        if isinstance(layer, AffineLayer):
            values.append(reduction.affine(layer, operands))
        elif isinstance(layer, PiecewiseLayer):
            values.append(reduce_layer(reduction, layer, operands[0], first))
            first += size(layer.shape)
        for i in step.inputs:
            if last_use[i] == number:
                values[i] = AffineExpressions.constant(np.zeros(0))  # no longer needed
    return reduction.network(values[-1].reshape((network.output_size,)))
