"""Stable-unit elimination: from a network and an input domain to its reduced network.

Every value of the network is held as affine expressions of x and the unstable units found so far.
An affine layer maps them by its own ``linear``, one sample for each coefficient, whatever the
layer is. A piecewise-linear layer is written by ReLUs (``build.py``), and a ReLU of known sign
over the domain is eliminated: it is 0 or its own expression.

Expressions carry bounds of their rounding error (``affine.py``), which bounds of pre-activations
and the equations of units include.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers, States, size
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.proven import EPSILON, ROOM, UNDERFLOW
from onnx_lippa.bounds.reduced.affine import AffineExpressions, RoundingAlgebra
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import require_time
from onnx_lippa.ending import Ending, StoppedError
from onnx_lippa.errors import LippaError
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import AffineLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED

_PRODUCTS: Final = 1e10
"""Multiplications in one step of an ascent, about a second of work."""
_ROWS: Final = 1024
"""Pre-activations bounded at once."""
_ERROR_FACTOR: Final = 2.0
_FLOOR: Final = 1e-200
"""A pre-activation that passes 0 by at most this many times its error, plus this floor, does so by
rounding."""
_BYTES_AT_ONCE: Final = 2.0**26
"""Bytes of coefficients that a layer maps between two looks at the clock."""
_ALGEBRA: Final = RoundingAlgebra()


class ContradictorySignsError(LippaError):
    """Signs of selects that no input has; this is proven."""


class TooLargeError(StoppedError):
    """A reduced network that does not fit into the memory allowed."""

    ending: ClassVar[Ending] = Ending.TOO_LARGE


@dataclass(frozen=True)
class Tightening:
    """How pre-activations are bounded.

    Attributes:
        linear: by the dual bound of the units before; else by interval arithmetic alone.
        steps: steps of dual ascent for each unit that the first bounds leave unstable.
        eliminate: whether stable units are eliminated; else all are kept, as in a naive MIP.
        memory: bytes that the expressions of one value may take.
        deadline: ``time.monotonic()`` after which no step is begun.
    """

    linear: bool = True
    steps: int = 0
    eliminate: bool = True
    memory: float = 1.5e9
    deadline: float = np.inf


@final
class Reduction:
    """The reduced network under construction.

    Args:
        domain: the inputs.
        tightening: how pre-activations are bounded.
        signs: (scalar units,) of selects: ACTIVE or INACTIVE where only inputs with ``d >= 0`` or
            ``d < 0`` count, UNDECIDED elsewhere; None for all inputs.
    """

    def __init__(
        self, domain: InputDomain, tightening: Tightening, signs: States | None = None
    ) -> None:
        self.domain, self._tightening, self._signs = domain, tightening, signs
        self._jumps: list[Integers] = []
        self.exact = True
        self._blocks: list[tuple[AffineExpressions, Float64, Float64, Integers]] = []
        self.units = 0

    @property
    def features(self) -> int:
        """Number of features of the reduced network so far."""
        return int(self.domain.lower.size)

    def affine(self, layer: AffineLayer, operands: list[AffineExpressions]) -> AffineExpressions:
        """An affine layer on expressions.

        Raises:
            TooLargeError, OutOfTimeError: the result does not fit, or the deadline has passed.
        """
        self._require(size(layer.shape))
        wide = [operand.pad(self.features, self.units) for operand in operands]
        on_units = np.zeros((0, *layer.shape))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            on_input = self._map_coefficients(layer, [one.on_input for one in wide])
            if self.units:
                on_units = self._map_coefficients(layer, [one.on_units for one in wide])
            pairs = [np.stack([one.size, one.error]) for one in wide]
            sizes, errors = np.array(layer.linear(_ALGEBRA, *pairs))
            offset = layer.offset
            if offset is not None:
                on_input[0] += offset
                errors += np.where(offset == 0, 0.0, EPSILON * np.abs(on_input[0]))
                sizes += np.abs(offset)
        return AffineExpressions(on_input, on_units, sizes, errors)

    def _map_coefficients(self, layer: AffineLayer, operands: list[Float64]) -> Float64:
        """The linear part of a layer on coefficients (m, *shape), in parts."""
        count = len(operands[0])
        result = np.empty((count, *layer.shape))
        at_once = max(1, int(_BYTES_AT_ONCE / (8 * size(layer.shape))))
        algebra = NumpyAlgebra()
        for first in range(0, count, at_once):
            require_time(self._tightening.deadline)
            part = slice(first, first + at_once)
            result[part] = layer.linear(algebra, *(one[part] for one in operands))
        return result

    def relu(self, expressions: AffineExpressions, origin: Integers) -> AffineExpressions:
        """``max(·, 0)`` of flat expressions (m); unstable ones become new units.

        Args:
            expressions: the pre-activations.
            origin: (m,) which scalar unit of the network each belongs to.
        """
        expressions = self._shrink_sizes(expressions.pad(self.features, self.units))
        lower, upper = self.bounds(expressions)
        undecided = (lower < 0) & (upper > 0)  # bounds are never NaN
        # Undecided by rounding alone: 0 or the expression, up to an error.
        least = _FLOOR + _ERROR_FACTOR * np.where(
            np.isfinite(expressions.error), expressions.error, 0.0
        )
        nothing, whole = undecided & (upper <= least), undecided & (lower >= -least)
        if self._tightening.eliminate:
            unstable = undecided & ~nothing & ~whole
        else:
            unstable, nothing = np.ones(lower.size, bool), np.zeros(lower.size, bool)
        new = np.flatnonzero(unstable)
        self._require(lower.size, new.size)
        kept = ((lower >= 0) | whole) & ~unstable & ~nothing
        on_units = np.zeros((self.units + new.size, lower.size))
        on_units[: self.units] = np.where(kept, expressions.on_units, 0.0)
        on_units[self.units + np.arange(new.size), new] = 1.0
        if new.size:
            self._blocks.append((expressions.take(new), lower[new], upper[new], origin[new]))
            self.units += new.size
        sizes = np.where(kept, expressions.size, np.where(unstable, np.maximum(upper, 0.0), 0.0))
        errors = np.where(kept, (expressions.error + np.maximum(-lower, 0.0)) * ROOM, 0.0)
        errors = np.where(nothing, upper, errors)
        return AffineExpressions(np.where(kept, expressions.on_input, 0.0), on_units, sizes, errors)

    def largest(self) -> Float64:
        """(1 + d + units,) largest absolute values of the factors of coefficients."""
        ends = np.maximum(np.abs(self.domain.lower), np.abs(self.domain.upper))
        return np.concatenate([[1.0], ends, np.maximum(self._unit_bounds()[1], 0.0)])

    def _shrink_sizes(self, expressions: AffineExpressions) -> AffineExpressions:
        """The same with the least sizes that the coefficients allow."""
        ends, most = np.split(self.largest()[1:], [self.features])
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            sizes = np.abs(expressions.on_input[0]) + ends @ np.abs(expressions.on_input[1:])
            sizes = (sizes + most @ np.abs(expressions.on_units)) * ROOM
        return replace(expressions, size=np.fmin(expressions.size, sizes))

    def signs(self, origin: Integers) -> States:
        """(m,) the given signs of some selects."""
        return np.zeros(origin.size, np.int8) if self._signs is None else self._signs[origin]

    def restrict(
        self,
        expressions: AffineExpressions,
        lower: Float64,
        upper: Float64,
        signs: States,
        origin: Integers,
    ) -> None:
        """Restricts the inputs to those at which flat expressions (m) have these signs, or are 0.

        Each becomes a unit of known sign that nothing depends on.
        """
        self.exact = False
        if expressions.count:
            self._require(expressions.count, expressions.count)
            lower, upper = np.where(signs > 0, 0.0, lower), np.where(signs > 0, upper, 0.0)
            self._blocks.append((expressions.pad(self.features, self.units), lower, upper, origin))
            self.units += expressions.count

    def add_features(self, lower: Float64, upper: Float64, origin: Integers) -> AffineExpressions:
        """Expressions (m) of further features, for values that ReLUs cannot express.

        Args:
            lower: (m,) lower bounds.
            upper: (m,) upper bounds.
            origin: (m,) the scalar units of the network that they stand for.
        """
        self.exact = False
        self._jumps.append(origin)
        first = self.features
        self.domain = self.domain.with_features(lower, upper)
        on_input = np.zeros((1 + self.features, lower.size))
        on_input[1 + first + np.arange(lower.size), np.arange(lower.size)] = 1.0
        sizes = np.maximum(np.abs(lower), np.abs(upper))
        on_units = np.zeros((self.units, lower.size))
        return AffineExpressions(on_input, on_units, sizes, np.zeros(lower.size))

    def bounds(self, expressions: AffineExpressions) -> tuple[Float64, Float64]:
        """Proven lower and upper bounds (m,) of the numbers that flat expressions stand for."""
        expressions = expressions.pad(self.features, self.units)
        lower, upper = self._bound_by_intervals(expressions)
        if self.units == 0 or not self._tightening.linear:
            return lower, upper
        reduced = self.network(AffineExpressions.constant(np.zeros(0)))
        units, relaxed = Units.of(reduced), relax_units(reduced)
        ascent = Ascent(units, self._tightening.deadline)
        undecided = np.flatnonzero((lower < 0) & (upper > 0))
        for steps in sorted({0, self._tightening.steps}):
            at_once = self._rows_at_once()
            for first in range(0, undecided.size, at_once):
                chosen = undecided[first : first + at_once]
                rows = expressions.take(chosen)
                for sign, side in ((1.0, lower), (-1.0, upper)):
                    objectives = Objectives.of(
                        units,
                        sign * rows.on_input[1:].T,
                        sign * rows.on_units.T,
                        sign * rows.on_input[0],
                        rows.error,
                    )
                    found = sign * ascent.run(objectives, relaxed, steps, goal=0.0).bounds
                    better = np.maximum if sign > 0 else np.minimum
                    side[chosen] = better(side[chosen], found)
            undecided = undecided[(lower[undecided] < 0) & (upper[undecided] > 0)]
        return lower, upper

    def _rows_at_once(self) -> int:
        """Pre-activations bounded at once, fewer where each takes longer."""
        each = self.units * (self.units + self.features)
        return int(np.clip(_PRODUCTS / max(each, 1), 1, _ROWS))

    def _bound_by_intervals(self, expressions: AffineExpressions) -> tuple[Float64, Float64]:
        """Bounds by interval arithmetic over x and z, in parts."""
        lower, upper = np.empty(expressions.count), np.empty(expressions.count)
        at_once = max(1, int(_BYTES_AT_ONCE / (8 * (1 + self.features + self.units))))
        for first in range(0, expressions.count, at_once):
            require_time(self._tightening.deadline)
            part = np.arange(first, min(first + at_once, expressions.count))
            lower[part], upper[part] = self._bound_part(expressions.take(part))
        return lower, upper

    def _bound_part(self, expressions: AffineExpressions) -> tuple[Float64, Float64]:
        """Bounds of some expressions; infinite where numbers overflow."""
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            objectives = expressions.on_input[1:].T * self.domain.radius
            middle = expressions.on_input[0] + expressions.on_input[1:].T @ self.domain.middle
            lower = middle + self.domain.least(objectives)
            upper = middle - self.domain.least(-objectives)
            least, most = (np.maximum(side, 0.0) for side in self._unit_bounds())
            positive, negative = (
                np.maximum(expressions.on_units, 0),
                np.minimum(expressions.on_units, 0),
            )
            lower += least @ positive + most @ negative
            upper += most @ positive + least @ negative
            # The terms of each sum add up to at most twice the size.
            share = 2 * (self.features + self.units + 16) * EPSILON
            slack = share * expressions.size + expressions.error + UNDERFLOW
            lower, upper = lower - slack, upper + slack
        return np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper)

    def _unit_bounds(self) -> tuple[Float64, Float64]:
        nothing = np.zeros(0)
        return (
            np.concatenate([nothing, *(block[1] for block in self._blocks)]),
            np.concatenate([nothing, *(block[2] for block in self._blocks)]),
        )

    def network(self, outputs: AffineExpressions) -> ReducedNetwork:
        """The reduced network so far, with flat expressions as its outputs."""
        outputs = outputs.pad(self.features, self.units)
        on_input, on_units = np.zeros((self.units, self.features)), np.zeros((self.units,) * 2)
        offset, error, starts = np.zeros(self.units), np.zeros(self.units), [0]
        for expressions, *_ in self._blocks:
            first, end = starts[-1], starts[-1] + expressions.count
            on_input[first:end, : len(expressions.on_input) - 1] = expressions.on_input[1:].T
            on_units[first:end, : len(expressions.on_units)] = expressions.on_units.T
            offset[first:end], error[first:end] = expressions.on_input[0], expressions.error
            starts.append(end)
        lower, upper = self._unit_bounds()
        origin = [block[3] for block in self._blocks]
        return ReducedNetwork(
            self.domain, on_input, on_units, offset, tuple(starts), lower, upper,
            outputs.on_input[1:].T.copy(), outputs.on_units.T.copy(), outputs.on_input[0].copy(),
            np.concatenate([np.zeros(0, np.int64), *origin]), self.exact, error, outputs.error,
            np.concatenate(self._jumps) if self._jumps else None,
        )  # fmt: skip

    def _require(self, width: int, new: int = 0) -> None:
        """Raises an error where memory or time do not suffice for a value of this width."""
        require_time(self._tightening.deadline)
        taken = 8.0 * width * (1 + self.features + self.units + new)
        if taken > self._tightening.memory:
            raise TooLargeError(
                f"its {self.units + new} undecided units over {self.features} features take "
                f"{taken / 1e9:.1f} GB in a layer of {width} values, more than is allowed"
            )


def relax_units(reduced: ReducedNetwork) -> ReluRelaxation:
    """The relaxation of all units by their own bounds; one row."""
    lower, upper = reduced.unit_lower[None], reduced.unit_upper[None]
    return ReluRelaxation.of(lower, upper, decide_signs(lower, upper))


def decide_signs(lower: Floats, upper: Floats) -> States:
    """The signs that bounds of ẑ imply, ACTIVE where both do; int8."""
    signs = np.full(lower.shape, UNDECIDED, np.int8)
    signs[upper <= 0] = INACTIVE
    signs[lower >= 0] = ACTIVE
    return signs


def express_inputs(domain: InputDomain, network: Network) -> AffineExpressions:
    """The input of a network as expressions of the features that vary."""
    d = domain.free.size
    on_input = np.zeros((1 + d, network.input_size))
    on_input[0] = domain.base
    on_input[0, domain.free] = 0.0
    on_input[1 + np.arange(d), domain.free] = 1.0
    sizes = np.abs(domain.base)
    sizes[domain.free] = np.maximum(np.abs(domain.lower[:d]), np.abs(domain.upper[:d]))
    nothing = np.zeros((0, network.input_size))
    return AffineExpressions(on_input, nothing, sizes, np.zeros(sizes.shape)).reshape(
        network.input_shape
    )
