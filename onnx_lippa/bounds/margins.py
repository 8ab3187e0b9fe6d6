"""Lower bounds of margins: the least distance of the outputs from an unsafe set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.bounds.crown import Crown, Pairs
from onnx_lippa.bounds.interval import Interval
from onnx_lippa.bounds.pre_activations import (
    Bounds,
    BoundsMethod,
    bound_pre_activations,
    split_batches,
)
from onnx_lippa.bounds.propagation import InputSets, IntervalPropagation
from onnx_lippa.bounds.proven import EPSILON, ProvenBounds
from onnx_lippa.bounds.relaxation import LinearRelaxation, relax, relax_to_constants
from onnx_lippa.clock import NEVER
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.spec import StatedSet, UnsafeSet
from onnx_lippa.spec.output_set import distinct_rows

_FEW_ROWS: Final = 256
"""More rows for each set are searched for duplicates."""

_Relax: TypeAlias = Callable[[PiecewiseLayer, Interval], LinearRelaxation]


def bound_margins(
    network: Network,
    inputs: Sequence[StatedSet],
    unsafe: Sequence[UnsafeSet],
    method: BoundsMethod,
    bounds: Bounds | None = None,
    deadline: float = NEVER,
) -> list[ProvenBounds]:
    """Margins by intervals, or by back-substitution where that is tighter.

    The affine layers behind the last piecewise-linear ones are one map in both.

    Args:
        network: the network.
        inputs: n input sets with finite radii.
        unsafe: the unsafe set of each.
        method: how the margins are bounded.
        bounds: valid bounds of the pre-activations; those of the same method where None.
        deadline: ``time.monotonic()`` after which no step is begun.

    Returns:
        For each input lower bounds of the margins of its disjuncts, (disjuncts,).

    Raises:
        BoundsTooLargeError: they do not fit into memory.
        OutOfTimeError: the deadline has passed.
    """
    if bounds is None:
        bounds = bound_pre_activations(network, inputs, method, None, deadline)
    relaxations: tuple[_Relax, ...] = (relax_to_constants,)
    if method is BoundsMethod.LINEAR:
        relaxations += (relax,)
    found: list[ProvenBounds] = []
    for run in split_batches(network, len(inputs)):
        sets = InputSets.of(inputs[run])
        with np.errstate(invalid="ignore", over="ignore"):
            matrix, rows, numbers = _stack_rows(unsafe[run], network.output_size)
            known = bounds.take(run)
            each = [
                _bound_rows(network, sets, matrix, rows, known, relax, deadline)
                for relax in relaxations
            ]
            least = np.max(each, axis=0)[numbers]
        start = 0
        for one in unsafe[run]:
            margins = np.empty(len(one.disjuncts))
            for number, disjunct in enumerate(one.disjuncts):
                values = least[start : start + len(disjunct.bound)]
                start += len(values)
                # A conjunction is at least as far away as any of its rows.
                margins[number] = np.max(_subtract(values, disjunct.bound), initial=-np.inf)
            found.append(ProvenBounds(margins))
    return found


def _stack_rows(unsafe: Sequence[UnsafeSet], width: int) -> tuple[Float64, Pairs, Integers]:
    """The distinct rows of all disjuncts, with their sets, and which of them each row is.

    Disjuncts of a formula in normal form share rows; each is bounded once.
    """
    matrices = [disjunct.matrix for one in unsafe for disjunct in one.disjuncts]
    counts = [sum(len(disjunct.bound) for disjunct in one.disjuncts) for one in unsafe]
    owner = np.repeat(np.arange(len(unsafe)), counts)
    rows = np.concatenate([np.zeros((0, width)), *matrices])
    if len(rows) <= _FEW_ROWS * len(unsafe):
        return rows, Pairs(np.arange(owner.size), owner), np.arange(owner.size)
    keys, numbers = distinct_rows(np.column_stack([owner, rows]))
    order = np.argsort(keys[:, 0], kind="stable")
    keys, numbers = keys[order], np.argsort(order)[numbers]
    owner = keys[:, 0].astype(np.int64)
    return keys[:, 1:], Pairs(np.arange(owner.size), owner), numbers


def _bound_rows(
    network: Network,
    sets: InputSets,
    matrix: Float64,
    rows: Pairs,
    bounds: Bounds,
    relax: _Relax,
    deadline: float,
) -> Float64:
    """Lower bounds of the rows, as functions of the outputs."""
    if rows.count == 0:
        return np.zeros(0)
    propagation = IntervalPropagation(network, sets, deadline)
    crown = Crown(network, sets, deadline)
    layers = 0
    for number, step in enumerate(network.steps):
        if isinstance(step.layer, PiecewiseLayer):
            x = propagation.operand(step).intersect(bounds.interval(layers))
            layers += 1
            sizes = propagation.sizes(step.inputs[0])
            crown.set_relaxation(number + 1, relax(step.layer, x), sizes)
            propagation.propagate(number, x)
        else:
            propagation.propagate(number)
    last, least = len(network.steps), np.empty(rows.count)
    seeds = matrix.reshape(-1, *network.output_shape)
    for part, chunk in rows.chunks(crown.rows_at_once):
        here = Pairs(np.arange(chunk.count), chunk.owner)
        functions = crown.expand(last, seeds[part])
        least[part] = crown.lower(functions, here, propagation.sizes(last))
    return np.where(np.isnan(least), -np.inf, least)


def _subtract(values: Float64, bound: Float64) -> Float64:
    """``values - bound``, rounded down; exact where the bound is 0."""
    rounding = EPSILON * (np.abs(values) + np.abs(bound))
    return values - bound - np.where(bound == 0.0, 0.0, rounding)
