"""Back-substitution: lower bounds of linear functions of any value of a network (CROWN).

Theorem. A function ``a @ z`` of a layer's output is not less than the same function with the lower
line of each unit whose coefficient is positive and the upper line of the others. Affine layers are
substituted exactly, by their transposes. The result is linear in the input, and its least value
over an input set is a lower bound (CROWN: Zhang et al., NeurIPS 2018; DeepPoly: Singh et al., POPL
2019).

Rounding. With M the sizes of a value (:class:`~onnx_lippa.bounds.propagation.IntervalPropagation`),
each transpose in float64 is off by less than a share of ``|u| M``. Substituting affine layers does
not increase ``|u| M``, so it is summed where relaxations are substituted, multiplied by the share
of the whole network, and subtracted. So is M times the least normal number for each product that
may underflow.

Between piecewise-linear layers a network is affine whatever its input, so that part of the
substitution is done once for all input sets (:meth:`Crown.expand`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, size
from onnx_lippa.bounds.propagation import InputSets
from onnx_lippa.bounds.proven import EPSILON
from onnx_lippa.bounds.relaxation import LinearRelaxation
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.ending import Ending, StoppedError
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import AffineLayer
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.gather import Gather
from onnx_lippa.ir.layers.reshape import Reshape, Transpose
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import Step

_ALGEBRA: Final = NumpyAlgebra()
_ELEMENTWISE: Final = (Reshape, Transpose, Gather, ScaleShift)
"""Layers each of whose outputs depends on one input."""


@final
@dataclass(frozen=True)
class AffineFunctions:
    """Linear functions of a value as affine functions of the input and of piecewise-linear outputs.

    Attributes:
        start: index of the value.
        seeds: (functions, *shape) coefficients of the value itself.
        parts: coefficients (functions, *shape) of the input and the outputs, by index of the value.
        constant: (functions,) the constants.
    """

    start: int
    seeds: Float64
    parts: Mapping[int, Float64]
    constant: Float64


def vector_jacobian_product(step: Step, u: Float64, into: dict[int, Float64]) -> Float64:
    """Pulls coefficients of an affine step's output back to its inputs.

    Args:
        step: the step.
        u: (rows, *shape) the coefficients.
        into: coefficients by index of the value; the results are added to them.

    Returns:
        The constants (rows,) due to its offset.
    """
    layer = step.layer
    if not isinstance(layer, AffineLayer):
        raise TypeError(f"{type(layer).__name__} is not affine")
    for source, share in zip(step.inputs, layer.transpose(_ALGEBRA, u), strict=True):
        into[source] = share if source not in into else into[source] + share
    offset = layer.offset
    if offset is None:
        return np.zeros(len(u))
    return u.reshape(len(u), -1) @ np.broadcast_to(offset, layer.shape).ravel()


def is_exact_in_intervals(network: Network, index: int) -> bool:
    """Whether interval arithmetic is exact for a value over a box of inputs.

    It is where at most one layer between the two has outputs of several inputs.
    """
    sums = 0
    while index > 0:
        step = network.steps[index - 1]
        if not isinstance(step.layer, AffineLayer) or len(step.inputs) != 1:
            return False
        sums += not isinstance(step.layer, _ELEMENTWISE)
        (index,) = step.inputs
    return sums <= 1


def rounding_share(network: Network) -> float:
    """Relative rounding of a back-substitution through the whole network.

    An inner product of a layer has at most as many terms as the layer has inputs and outputs.
    """
    terms = sum(
        size(step.layer.shape) + sum(size(network.shape_of(i)) for i in step.inputs) + 16
        for step in network.steps
    )
    return (terms + 16) * float(np.finfo(np.float64).eps)


AT_ONCE: Final = 2.0**25
"""Bytes of the rows substituted at once, few enough for most of them to stay in caches."""
LARGEST: Final = 2.0**31
"""Most bytes of one row, or of the bounds of one input."""
_UNDERFLOW: Final = 4 * float(np.finfo(np.float64).tiny) / EPSILON
"""Error of a product that underflows, relative to a share of rounding, with room."""
_COPIES: Final = 16
"""Numbers held while a row passes a layer, relative to the largest value."""


class BoundsTooLargeError(StoppedError):
    """Bounds that do not fit into the memory allowed."""

    exit_code: ClassVar[int] = 3
    ending: ClassVar[Ending] = Ending.TOO_LARGE


@final
@dataclass(frozen=True)
class Pairs:
    """Pairs of a function and an input set over which it is bounded.

    Attributes:
        function: (rows,) which function.
        owner: (rows,) which input set; ascending.
    """

    function: Integers
    owner: Integers

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.owner.size)

    def chunks(self, most: int) -> Iterator[tuple[slice, Pairs]]:
        """Consecutive rows, at most ``most`` at a time, with their slice."""
        for start in range(0, self.count, most):
            part = slice(start, min(start + most, self.count))
            yield part, Pairs(self.function[part], self.owner[part])

    def groups(self) -> Iterator[tuple[int, slice]]:
        """Each input set with the slice of its rows."""
        ends = np.flatnonzero(np.diff(self.owner)) + 1
        starts = [0, *ends.tolist(), self.count]
        for start, end in itertools.pairwise(starts):
            if start < end:
                yield int(self.owner[start]), slice(start, end)


@final
class Crown:
    """Lower bounds of functions of values, all piecewise-linear layers before which are relaxed.

    Args:
        network: the network.
        sets: the input sets.
        deadline: ``time.monotonic()`` after which no layer is passed.

    Raises:
        BoundsTooLargeError: not even one row fits.
    """

    def __init__(self, network: Network, sets: InputSets, deadline: float = NEVER) -> None:
        self._network, self._sets, self._deadline = network, sets, deadline
        self._relaxations: dict[int, LinearRelaxation] = {}
        self._sizes: dict[int, Float64] = {}
        self._share = rounding_share(network)
        self._spans = np.ones(sets.count)
        """(n,) the sum of the sizes of all relaxed operands."""
        widest = max(size(network.shape_of(i)) for i in range(len(network.steps) + 1))
        row = 8.0 * _COPIES * widest
        if row > LARGEST:
            raise BoundsTooLargeError(
                f"one row of linear bounds takes {row / 1e9:.1f} GB, more than the "
                f"{LARGEST / 1e9:.1f} GB allowed: the largest layer has {widest:,} values"
            )
        self.rows_at_once = max(1, int(AT_ONCE / row))

    def set_relaxation(self, index: int, relaxation: LinearRelaxation, sizes: Float64) -> None:
        """Sets the relaxation of a layer whose output has an index, and its operand's sizes."""
        self._relaxations[index], self._sizes[index] = relaxation, sizes
        self._spans = self._spans + sizes.sum(axis=1)

    def expand(self, start: int, seeds: Float64) -> AffineFunctions:
        """Substitutes affine layers into functions of a value, (functions, *shape) coefficients.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        open_: dict[int, Float64] = {start: seeds}
        parts, constant = dict[int, Float64](), np.zeros(len(seeds))
        for index in range(start, -1, -1):
            u = open_.pop(index, None)
            if u is None:
                continue
            require_time(self._deadline)
            if index == 0 or not isinstance(self._network.steps[index - 1].layer, AffineLayer):
                parts[index] = u
            else:
                constant += vector_jacobian_product(self._network.steps[index - 1], u, open_)
        return AffineFunctions(start, seeds, parts, constant)

    def lower(
        self, functions: AffineFunctions, rows: Pairs, sizes: Float64, sign: float = 1.0
    ) -> Float64:
        """Lower bounds (rows,) of ``sign`` times functions of a value over input sets.

        Args:
            functions: the functions.
            rows: which of them, over which sets.
            sizes: (n, units) sizes of the value.
            sign: 1 or -1.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        weights = np.abs(functions.seeds).reshape(len(functions.seeds), -1)
        own_sizes = (weights @ sizes.T)[rows.function, rows.owner]
        bounds = np.empty(rows.count)
        for part, chunk in rows.chunks(self.rows_at_once):
            bounds[part] = self._bound(functions, chunk, own_sizes[part], sign)
        return bounds

    def _bound(
        self, functions: AffineFunctions, rows: Pairs, own_sizes: Float64, sign: float
    ) -> Float64:
        total = sign * functions.constant[rows.function]
        sizes = own_sizes.copy()
        pulled: dict[int, Float64] = {}
        for index in range(functions.start, 0, -1):
            require_time(self._deadline)
            step = self._network.steps[index - 1]
            if isinstance(step.layer, AffineLayer):
                u = pulled.pop(index, None)
                if u is not None:
                    total += vector_jacobian_product(step, u, pulled)
            elif index in pulled or index in functions.parts:
                self._substitute_relaxation(index, functions, rows, sign, pulled, total, sizes)
        least = np.zeros(rows.count)
        if 0 in pulled or 0 in functions.parts:
            for owner, part in rows.groups():
                a = _coefficients(0, functions, rows.function[part], sign, pulled.get(0), part)
                least[part] = self._sets.domains[owner].least_over_inputs(a.reshape(len(a), -1))
        bounds: Float64 = total + least
        lost = _UNDERFLOW * self._share * (self._spans[rows.owner] + own_sizes)
        rounding = self._share * sizes + 4 * EPSILON * (np.abs(total) + np.abs(least))
        return bounds - (rounding + lost)

    def _substitute_relaxation(
        self,
        index: int,
        functions: AffineFunctions,
        rows: Pairs,
        sign: float,
        pulled: dict[int, Float64],
        total: Float64,
        sizes: Float64,
    ) -> None:
        """Substitutes one relaxation; adds to coefficients, constants and sizes in place."""
        relaxation, (source,) = self._relaxations[index], self._network.steps[index - 1].inputs
        operand_sizes, known = self._sizes[index], pulled.pop(index, None)
        shape = self._network.shape_of(source)
        through = None if relaxation.lower_slope is None else np.empty((rows.count, *shape))
        for owner, part in rows.groups():
            a = _coefficients(index, functions, rows.function[part], sign, known, part)
            share, constants = relaxation.substitute(owner, a)
            total[part] += constants[:, 0]
            sizes[part] += constants[:, 1]
            if share is not None and through is not None:
                through[part] = share
                sizes[part] += np.abs(share).reshape(len(a), -1) @ operand_sizes[owner]
        if through is not None:
            pulled[source] = through if source not in pulled else pulled[source] + through


def _coefficients(
    index: int,
    functions: AffineFunctions,
    chosen: Integers,
    sign: float,
    pulled: Float64 | None,
    part: slice,
) -> Float64:
    """Coefficients (rows, *shape) of the rows of one input set at a value, as a new array."""
    own = functions.parts.get(index)
    if own is None:
        if pulled is None:
            raise ValueError(f"no row depends on value {index}")
        return pulled[part]
    a = own[chosen]
    if sign != 1.0:
        a *= sign
    return a if pulled is None else a + pulled[part]
