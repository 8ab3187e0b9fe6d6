"""A small network as rational affine functions of its input and of its ReLUs.

    ẑ_u = sum of coefficients times (x, earlier z) + constant,     z_u = max(ẑ_u, 0)

Weights are floats, so every number is rational, and nothing here is rounded. Kinks and maxima are
stated by ReLUs, as in ``bounds/reduced/build.py``. Margins at single points and constant margins
are exact for networks of any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final, TypeAlias

import numpy as np

from onnx_lippa.arrays import Float64, size
from onnx_lippa.clock import require_time
from onnx_lippa.ending import Ending, StoppedError
from onnx_lippa.ir.algebra.exact_algebra import Exact, ExactAlgebra, TooManyProductsError
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import forward_pass
from onnx_lippa.spec import Conjunction, StatedSet

Side: TypeAlias = Fraction | None
"""A bound; None means unbounded."""

_MOST_VARIABLES: Final = 128
"""Inputs that vary and ReLUs together."""
_MOST_INPUTS: Final = 1000
"""All inputs."""
_MOST_TERMS: Final = 200_000
"""Terms of all values together."""
_ZERO: Final = Fraction(0)
_ONE: Final = Fraction(1)


class NotExactError(StoppedError):
    """A network too large for rational arithmetic, or with a layer that is no sum of ReLUs."""

    ending: ClassVar[Ending] = Ending.UNSUPPORTED


@dataclass(frozen=True)
class AffineSum:
    """``constant + sum of coefficient * variable``.

    Attributes:
        terms: coefficients by variable, inputs before ReLUs; none is 0.
        constant: the constant.
    """

    terms: Mapping[int, Fraction]
    constant: Fraction = _ZERO

    def __add__(self, other: AffineSum | Fraction) -> AffineSum:
        if isinstance(other, Fraction):
            return AffineSum(self.terms, self.constant + other)
        return combine([(_ONE, self), (_ONE, other)])

    def __sub__(self, other: AffineSum | Fraction) -> AffineSum:
        return self + -other

    def __neg__(self) -> AffineSum:
        return self * -_ONE

    def __mul__(self, factor: Fraction) -> AffineSum:
        return combine([(factor, self)])


@dataclass(frozen=True)
class Range:
    """Bounds of a number, and whether each of them is excluded."""

    low: Side
    high: Side
    is_open: tuple[bool, bool] = (False, False)


@dataclass(frozen=True)
class ExactSystem:
    """A network over a stated box. Its variables are the inputs, then the ReLUs.

    Attributes:
        inputs: (d,) their ranges.
        units: ẑ of every ReLU.
        unit_ranges: proven bounds of ẑ.
        outputs: the outputs.
    """

    inputs: Sequence[Range]
    units: Sequence[AffineSum]
    unit_ranges: Sequence[Range]
    outputs: Sequence[AffineSum]


def build_exact_system(network: Network, stated: StatedSet, deadline: float) -> ExactSystem:
    """The system of a small network over the box of a set; any side may be unbounded.

    A ball is replaced by its bounding box: equal to it in ℓ∞, larger in other norms.

    Raises:
        NotExactError: it is too large, or has a layer that is no sum of ReLUs.
        OutOfTimeError: the deadline has passed.
    """
    builder = _Builder(network, stated, deadline)
    values = [[AffineSum({i: _ONE}) for i in range(network.input_size)]]
    for step in network.steps:
        layer, operands = step.layer, [values[i] for i in step.inputs]
        if isinstance(layer, AffineLayer):
            values.append(builder.add_affine(layer, operands))
        elif isinstance(layer, Activation):
            values.append(builder.add_activation(layer, operands[0]))
        elif isinstance(layer, ReduceMax):
            values.append(builder.add_maximum(layer, operands[0]))
        else:
            raise NotExactError("it has a layer that no ReLUs state")
    return ExactSystem(builder.inputs, builder.units, builder.unit_ranges, values[-1])


class _Builder:
    """Builds a system layer by layer."""

    def __init__(self, network: Network, stated: StatedSet, deadline: float) -> None:
        self._deadline, self._terms = deadline, 0
        self.inputs = _box(stated)
        self.units: list[AffineSum] = []
        self.unit_ranges: list[Range] = []
        self._ranges = list(self.inputs)
        """Those of all variables."""
        layers = [step.layer for step in network.steps]
        kinks = sum(size(one.shape) for one in layers if isinstance(one, PiecewiseLayer))
        varying = sum(one.low is None or one.low != one.high for one in self.inputs)
        if varying + kinks > _MOST_VARIABLES or len(self.inputs) > _MOST_INPUTS:
            raise NotExactError(
                f"its {varying} inputs and {kinks} units are more than the {_MOST_VARIABLES} that "
                "rational arithmetic is used for"
            )

    def add_affine(
        self, layer: AffineLayer, operands: Sequence[list[AffineSum]]
    ) -> list[AffineSum]:
        constants = np.zeros(layer.shape) if layer.offset is None else layer.offset
        constants = np.broadcast_to(constants, layer.shape).ravel()
        matrices = [matrix.tocsr() for matrix in layer.matrices()]
        made = []
        for row, constant in enumerate(constants.tolist()):
            parts = [(_ONE, AffineSum({}, Fraction(constant)))]
            for matrix, operand in zip(matrices, operands, strict=True):
                mine = slice(matrix.indptr[row], matrix.indptr[row + 1])
                pairs = zip(matrix.data[mine].tolist(), matrix.indices[mine].tolist(), strict=True)
                parts += [(Fraction(weight), operand[place]) for weight, place in pairs]
            made.append(self._check_size(combine(parts)))
        return made

    def add_activation(self, layer: Activation, operand: list[AffineSum]) -> list[AffineSum]:
        parts = (
            [Fraction(float(one)) for one in np.broadcast_to(part, layer.shape).ravel()]
            for part in (layer.kink, layer.below, layer.above)
        )
        made = []
        for x, kink, below, above in zip(operand, *parts, strict=True):
            moved = x - kink
            unit = self._relu(moved)
            made.append(self._check_size(unit * (above - below) + moved * below + kink))
        return made

    def add_maximum(self, layer: ReduceMax, operand: list[AffineSum]) -> list[AffineSum]:
        source = (*layer.shape[: layer.axis], layer.entries, *layer.shape[layer.axis :])
        places = np.moveaxis(np.arange(len(operand)).reshape(source), layer.axis, -1)
        made = []
        for entries in places.reshape(-1, layer.entries).tolist():
            best = operand[entries[0]]
            for other in entries[1:]:
                best = best + self._relu(operand[other] - best)
            made.append(self._check_size(best))
        return made

    def _relu(self, x: AffineSum) -> AffineSum:
        within = _bound(x, self._ranges)
        if within.low is not None and within.low >= 0:
            return x
        if within.high is not None and within.high <= 0:
            return AffineSum({})
        if len(self.units) >= _MOST_VARIABLES:
            raise NotExactError(f"it takes more than {_MOST_VARIABLES} inputs and ReLUs")
        self.units.append(x)
        self.unit_ranges.append(within)
        self._ranges.append(Range(_ZERO, within.high))
        return AffineSum({len(self._ranges) - 1: _ONE})

    def _check_size(self, x: AffineSum) -> AffineSum:
        self._terms += 1 + len(x.terms)
        if self._terms > _MOST_TERMS:
            raise NotExactError(f"its values have more than {_MOST_TERMS} terms")
        require_time(self._deadline)
        return x


def combine(parts: Sequence[tuple[Fraction, AffineSum]]) -> AffineSum:
    """A linear combination of sums."""
    terms: dict[int, Fraction] = {}
    constant = _ZERO
    for factor, part in parts:
        if not factor:
            continue
        constant += factor * part.constant
        for variable, coefficient in part.terms.items():
            terms[variable] = terms.get(variable, _ZERO) + factor * coefficient
    return AffineSum({variable: value for variable, value in terms.items() if value}, constant)


def build_margin_row(system: ExactSystem, row: Float64, bound: float) -> AffineSum:
    """``row @ outputs - bound``."""
    places = np.flatnonzero(row).tolist()
    parts = [(Fraction(float(row[place])), system.outputs[place]) for place in places]
    return combine(parts) - Fraction(float(bound))


def _bound(x: AffineSum, ranges: Sequence[Range]) -> Range:
    """The range of a sum of variables."""
    low: Side = x.constant
    high: Side = x.constant
    for variable, coefficient in x.terms.items():
        least, most = ranges[variable].low, ranges[variable].high
        if coefficient < 0:
            least, most = most, least
        low = None if low is None or least is None else low + coefficient * least
        high = None if high is None or most is None else high + coefficient * most
    return Range(low, high)


def _box(stated: StatedSet) -> list[Range]:
    """The exact range of each feature."""
    radii, ranges = np.full(stated.size, np.inf), []
    if np.isfinite(stated.eps):
        radii = stated.norm.unit_radii(stated.size)
    sides = [np.zeros(stated.size, bool) if one is None else one for one in stated.is_open]
    columns = stated.lower, stated.upper, stated.center, radii, *sides
    for lower, upper, center, width, *is_open in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        low, high = (Fraction(end) if np.isfinite(end) else None for end in (lower, upper))
        if np.isfinite(width):
            middle, far = Fraction(center), Fraction(stated.eps) * Fraction(width)
            low = middle - far if low is None else max(low, middle - far)
            high = middle + far if high is None else min(high, middle + far)
        ranges.append(Range(low, high, (is_open[0], is_open[1])))
    return ranges


def compute_margins(
    network: Network, x: Float64, disjuncts: Sequence[Conjunction]
) -> tuple[Fraction, ...]:
    """The margin of every disjunct at one input (d,).

    Args:
        network: the network, as a function of real numbers.
        x: the input.
        disjuncts: the unsafe outputs; each has at least one row.

    Raises:
        NotExactError: it is too large for arithmetic without rounding.
    """
    try:
        algebra = ExactAlgebra()
        batch = Exact.of(x.reshape(1, *network.input_shape))
        outputs = forward_pass(algebra, network.steps, batch)[-1].fractions()
    except TooManyProductsError as error:
        raise NotExactError(str(error)) from error
    return tuple(max(_compute_rows(outputs, one)) for one in disjuncts)


def _compute_rows(outputs: Sequence[Fraction], disjunct: Conjunction) -> list[Fraction]:
    """``A y - b`` for each row."""
    return [
        sum((Fraction(row[j]) * outputs[j] for j in np.flatnonzero(row).tolist()), -Fraction(bound))
        for row, bound in zip(disjunct.matrix.tolist(), disjunct.bound.tolist(), strict=True)
    ]


def find_constant_margin(network: Network, row: Float64, bound: float) -> Fraction | None:
    """``row @ y - bound`` where it is the same for all inputs; None where that is not proven.

    It is proven where the vector-Jacobian product of the row with the affine layers at the end is
    0, as for two equal outputs.

    Args:
        network: the network.
        row: (k,) coefficients of the outputs.
        bound: the bound of the row.
    """
    steps, algebra, margin = network.steps, ExactAlgebra(), -Fraction(bound)
    weights: list[Exact | None] = [None] * (len(steps) + 1)
    try:
        weights[-1] = Exact.of(row.reshape(1, *network.output_shape))
        for step, index in zip(reversed(steps), range(len(steps), 0, -1), strict=True):
            weighting = weights[index]
            if weighting is None or not np.any(weighting.whole):
                continue
            if not isinstance(step.layer, AffineLayer):
                return None
            if step.layer.offset is not None:
                offset = Exact.of(np.broadcast_to(step.layer.offset, step.layer.shape))
                product = int(np.sum(weighting.whole.ravel() * offset.whole.ravel()))
                margin += product * Fraction(2) ** (offset.exponent + weighting.exponent)
            shares = step.layer.transpose(algebra, weighting)
            for source, share in zip(step.inputs, shares, strict=True):
                known = weights[source]
                weights[source] = share if known is None else algebra.add(known, share)
    except TooManyProductsError:
        return None
    first = weights[0]
    return margin if first is None or not np.any(first.whole) else None
