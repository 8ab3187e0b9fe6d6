"""Values as affine functions of what is not affine: the outputs of piecewise layers, the input.

Between those a network is affine whatever its input, so this part of a substitution is done once
for all inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.bounds.propagation import InputSets
from onnx_lippa.bounds.relaxation import LinearRelaxation
from onnx_lippa.bounds.rounding import EPSILON
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import LippaError
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
class AffineFunctions:
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


def vector_jacobian_product(step: Step, u: Float64, into: dict[int, Float64]) -> Float64:
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


def expand(
    network: Network, start: int, seeds: Float64, deadline: float = NEVER
) -> AffineFunctions:
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
            constant += vector_jacobian_product(network.steps[index - 1], u, open_)
    return AffineFunctions(start, seeds, parts, constant)


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


AT_ONCE: Final = 2.0**25
"""Bytes that the rows substituted at once may take: small, so that most of it stays in caches."""
LARGEST: Final = 2.0**31
"""Bytes that a single row, or what is kept of a single input, may take."""
_LOST: Final = 4 * float(np.finfo(np.float64).tiny) / EPSILON
"""What a product that underflows loses, relative to a share of rounding, with room."""
_COPIES: Final = 16
"""Numbers held while a row is pulled through a layer, relative to the largest value."""


class BoundsTooLargeError(LippaError):
    """Bounds that do not fit into the memory allowed: nothing is known of these inputs."""

    exit_code: ClassVar[int] = 3


@final
@dataclass(frozen=True)
class Rows:
    """Which functions are bounded, over which sets.

    Attributes:
        function: (rows,) which function of a form.
        owner: (rows,) which input set; ascending.
    """

    function: Integers
    owner: Integers

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.owner.size)

    def chunks(self, most: int) -> Iterator[tuple[slice, Rows]]:
        """Runs of at most so many rows, and where they are."""
        for start in range(0, self.count, most):
            part = slice(start, min(start + most, self.count))
            yield part, Rows(self.function[part], self.owner[part])

    def groups(self) -> Iterator[tuple[int, slice]]:
        """Each owner, and where its rows are."""
        ends = np.flatnonzero(np.diff(self.owner)) + 1
        starts = [0, *ends.tolist(), self.count]
        for start, end in itertools.pairwise(starts):
            if start < end:
                yield int(self.owner[start]), slice(start, end)


@final
class Crown:
    """Lower bounds of functions of values up to which all piecewise layers have lines.

    Args:
        network: the network.
        sets: the input sets.
        deadline: ``time.monotonic()`` from which on no layer is passed.

    Raises:
        BoundsTooLargeError: not even one row fits.
    """

    def __init__(self, network: Network, sets: InputSets, deadline: float = NEVER) -> None:
        self._network, self._sets, self._deadline = network, sets, deadline
        self._lines: dict[int, LinearRelaxation] = {}
        self._sizes: dict[int, Float64] = {}
        self._share = rounding_share(network)
        self._spans = np.ones(sets.count)
        """(n,) the sum of the sizes of all values."""
        widest = max(size(shape_of(network, i)) for i in range(len(network.steps) + 1))
        row = 8.0 * _COPIES * widest
        if row > LARGEST:
            raise BoundsTooLargeError(
                f"one row of linear bounds takes {row / 1e9:.1f} GB, more than the "
                f"{LARGEST / 1e9:.1f} GB allowed: the largest layer has {widest:,} values"
            )
        self.rows_at_once = max(1, int(AT_ONCE / row))

    def relax(self, index: int, lines: LinearRelaxation, sizes: Float64) -> None:
        """Takes the lines of a piecewise layer.

        Args:
            index: index of its output.
            lines: its lines.
            sizes: (n, units) sizes of its operand.
        """
        self._lines[index], self._sizes[index] = lines, sizes
        self._spans = self._spans + sizes.sum(axis=1)

    def form(self, start: int, seeds: Float64) -> AffineFunctions:
        """Functions (functions, *shape) of a value.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        return expand(self._network, start, seeds, self._deadline)

    def lower(
        self, form: AffineFunctions, rows: Rows, sizes: Float64, sign: float = 1.0
    ) -> Float64:
        """Lower bounds (rows,) of ``sign`` times functions of a value over input sets.

        Args:
            form: the functions.
            rows: which of them, over which sets.
            sizes: (n, units) sizes of the value.
            sign: 1 or -1.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        weights = np.abs(form.seeds).reshape(len(form.seeds), -1)
        own_sizes = (weights @ sizes.T)[rows.function, rows.owner]
        bounds = np.empty(rows.count)
        for part, chunk in rows.chunks(self.rows_at_once):
            bounds[part] = self._bounded(form, chunk, own_sizes[part], sign)
        return bounds

    def _bounded(
        self, form: AffineFunctions, rows: Rows, own_sizes: Float64, sign: float
    ) -> Float64:
        total = sign * form.constant[rows.function]
        sizes = own_sizes.copy()
        pulled: dict[int, Float64] = {}
        for index in range(form.start, 0, -1):
            require_time(self._deadline)
            step = self._network.steps[index - 1]
            if isinstance(step.layer, AffineLayer):
                u = pulled.pop(index, None)
                if u is not None:
                    total += vector_jacobian_product(step, u, pulled)
            elif index in pulled or index in form.parts:
                self._through_lines(index, form, rows, sign, pulled, total, sizes)
        least = np.zeros(rows.count)
        if 0 in pulled or 0 in form.parts:
            for owner, part in rows.groups():
                a = _coefficients(0, form, rows.function[part], sign, pulled.get(0), part)
                least[part] = self._sets.least(owner, a.reshape(len(a), -1))
        bounds: Float64 = total + least
        lost = _LOST * self._share * (self._spans[rows.owner] + own_sizes)
        rounding = self._share * sizes + 4 * EPSILON * (np.abs(total) + np.abs(least))
        return bounds - (rounding + lost)

    def _through_lines(
        self,
        index: int,
        form: AffineFunctions,
        rows: Rows,
        sign: float,
        pulled: dict[int, Float64],
        total: Float64,
        sizes: Float64,
    ) -> None:
        """Puts the lines of one layer in; adds to the coefficients, constants and sizes given."""
        lines, (source,) = self._lines[index], self._network.steps[index - 1].inputs
        operand_sizes, known = self._sizes[index], pulled.pop(index, None)
        shape = shape_of(self._network, source)
        through = None if lines.lower_slope is None else np.empty((rows.count, *shape))
        for owner, part in rows.groups():
            a = _coefficients(index, form, rows.function[part], sign, known, part)
            share, constants = lines.substitute(owner, a)
            total[part] += constants[:, 0]
            sizes[part] += constants[:, 1]
            if share is not None and through is not None:
                through[part] = share
                sizes[part] += np.abs(share).reshape(len(a), -1) @ operand_sizes[owner]
        if through is not None:
            pulled[source] = through if source not in pulled else pulled[source] + through


def _coefficients(
    index: int,
    form: AffineFunctions,
    functions: Integers,
    sign: float,
    pulled: Float64 | None,
    part: slice,
) -> Float64:
    """Coefficients (rows, *shape) of one owner's rows at a value, an array of its own."""
    own = form.parts.get(index)
    if own is None:
        if pulled is None:
            raise ValueError(f"no row depends on value {index}")
        return pulled[part]
    a = own[functions]
    if sign != 1.0:
        a *= sign
    return a if pulled is None else a + pulled[part]
