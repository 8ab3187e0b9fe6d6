"""Backward substitution: linear functions of any value, bounded in terms of the input.

A function ``a @ z`` of a layer's output is not less than the same with the lower line of every
unit whose coefficient is positive and the upper line of the others; affine layers are substituted
as they are. What is left is linear in the input, and its least value over an input set bounds the
function from below (CROWN: Zhang et al., NeurIPS 2018; DeepPoly: Singh et al., POPL 2019).

Rounding: each transpose in float64 is off by less than a share of ``|u| M``, with M the sizes of
the value that u weighs (:class:`~onnx_lippa.bounds.walk.Walk`). Substituting affine layers
does not increase ``|u| M``, so it is summed up where lines have been put in, times the share of
the whole network, and subtracted. So is the least normal number for each product that may have
underflown, times M.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, size
from onnx_lippa.bounds.relaxation import Lines
from onnx_lippa.bounds.rounding import EPSILON
from onnx_lippa.bounds.segments import Form, form_of, pulled_back, rounding_share, shape_of
from onnx_lippa.bounds.sets import InputSets
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import LippaError
from onnx_lippa.ir.layers import AffineLayer
from onnx_lippa.ir.network import Network

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
class Substitution:
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
        self._lines: dict[int, Lines] = {}
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

    def relax(self, index: int, lines: Lines, sizes: Float64) -> None:
        """Takes the lines of a piecewise layer.

        Args:
            index: index of its output.
            lines: its lines.
            sizes: (n, units) sizes of its operand.
        """
        self._lines[index], self._sizes[index] = lines, sizes
        self._spans = self._spans + sizes.sum(axis=1)

    def form(self, start: int, seeds: Float64) -> Form:
        """Functions (functions, *shape) of a value.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        return form_of(self._network, start, seeds, self._deadline)

    def lower(self, form: Form, rows: Rows, sizes: Float64, sign: float = 1.0) -> Float64:
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

    def _bounded(self, form: Form, rows: Rows, own_sizes: Float64, sign: float) -> Float64:
        total = sign * form.constant[rows.function]
        sizes = own_sizes.copy()
        pulled: dict[int, Float64] = {}
        for index in range(form.start, 0, -1):
            require_time(self._deadline)
            step = self._network.steps[index - 1]
            if isinstance(step.layer, AffineLayer):
                u = pulled.pop(index, None)
                if u is not None:
                    total += pulled_back(step, u, pulled)
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
        form: Form,
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
            share, constants = lines.substituted(owner, a)
            total[part] += constants[:, 0]
            sizes[part] += constants[:, 1]
            if share is not None and through is not None:
                through[part] = share
                sizes[part] += np.abs(share).reshape(len(a), -1) @ operand_sizes[owner]
        if through is not None:
            pulled[source] = through if source not in pulled else pulled[source] + through


def _coefficients(
    index: int,
    form: Form,
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
