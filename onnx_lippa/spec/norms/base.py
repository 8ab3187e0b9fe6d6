"""What a norm must offer to an attack."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeAlias, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.embedding import Embedding
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio, magnitudes

Projector: TypeAlias = Callable[[Floats], Floats]

_ROUNDING: Final = 2.0**-52
_OTHER_STEPS: Final = 16
"""A length of d features is off by at most (d / 2 + 6) units of rounding (2**-53): differences,
quotients by units, squares, their sum, its root. Less than half of this is allowed for."""
_SMALL: Final = 1e-140
_LARGE: Final = 1e140
"""Between these no square that counts under- or overflows."""
_SUMMABLE: Final = 1e150
"""No sum of such numbers or of their squares overflows."""


class Norm(ABC):
    """A norm on flattened inputs. Stateless; batches have shape (n, d)."""

    name: str
    order: float
    solver: str
    """The solver that suits the programs of this norm best."""
    has_sparse_steps: bool = False
    """Whether steepest steps go to few features."""
    power: int = 1
    """The power of the norm that is a rational number for rational displacements."""

    @abstractmethod
    def measure(self, parts: Magnitudes) -> Ratio:
        """The norm of displacements, raised to :attr:`power`, exactly."""

    def within(self, x: Float64, center: Float64, eps: float, units: Float64 | None = None) -> bool:
        """Whether ``||(x - center) / units|| <= eps`` for these floats as real numbers.

        Floating point decides where the two sides differ by more than all its rounding; else
        whole numbers do.

        Args:
            x: (d,) the point; outside where a number is not finite.
            center: (d,) the centre.
            eps: the radius, not negative; it may be infinite.
            units: (d,) what each feature counts as 1, positive; None for 1 everywhere.
        """
        if not np.isfinite(x).all():
            return False
        if math.isinf(eps):
            return True
        if _SMALL <= eps <= _LARGE:
            with np.errstate(over="ignore"):  # what is too large for a float is outside
                length = float(self.lengths(in_units(x - center, units)[None])[0])
            slack = (x.size + _OTHER_STEPS) * _ROUNDING
            if not eps * (1.0 - slack) <= length <= eps * (1.0 + slack):
                return length < eps
        return self.measure(magnitudes(x, center, units)).at_most(eps, self.power)

    def distance(self, x: Float64, center: Float64, units: Float64 | None = None) -> float:
        """``||(x - center) / units||``, rounded up: the least float that is not below it.

        So it is within a radius exactly where the point is, and never understates. It is infinite
        where a number is not finite.
        """
        if not np.isfinite(x).all():
            return math.inf
        return self.measure(magnitudes(x, center, units)).root(self.power)

    @abstractmethod
    def lengths(self, differences: Float64) -> Float64:
        """The norm of many differences (n, d) at once, but for rounding; (n,)."""

    def widths(self, d: int) -> Float64:
        """How far each feature may move by itself within the unit ball; (d,)."""
        return np.ones(d)

    @final
    def reach(self, d: int, eps: float) -> Float64:
        """How far each feature may move by itself within a ball, perhaps an infinite one; (d,)."""
        widths = self.widths(d)
        return np.where(widths > 0, eps * np.where(widths > 0, widths, 1.0), 0.0)

    @abstractmethod
    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        """A function that moves points (n, d) into balls and box, near where they were.

        Args:
            center: (n, d) centres, inside the box.
            eps: (n,) radii; may be infinite.
            lower: (d,) box, or (n, d) boxes.
            upper: (d,) box, or (n, d) boxes.

        Returns:
            The function; it may change its argument in place. Rounding may leave its result an
            ulp outside, so only :meth:`InputSet.to_model_type` decides.
        """

    @abstractmethod
    def steepest_descent(self, gradient: Floats) -> Floats:
        """Unit steps (n, d) along which a linear function with this gradient falls fastest."""

    @abstractmethod
    def sample(self, generator: np.random.Generator, d: int) -> Float64:
        """A random point (d,) of the unit ball."""

    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        """As many such points (count, d)."""
        return np.array([self.sample(generator, d) for _ in range(count)]).reshape(count, d)

    @abstractmethod
    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        """A random point (d,) far out on the unit ball, where restarts are most diverse."""

    @abstractmethod
    def dual(self, gradient: Float64) -> Float64:
        """Dual norm of gradients (n, d): how fast a unit step can change the function; (n,)."""

    @abstractmethod
    def least_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        """Closed-form minimiser (d,) of ``cost @ x`` over ball and box; ``eps`` is finite."""

    @abstractmethod
    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        """Ball and box as an embedding without a cost (margin mode)."""

    @abstractmethod
    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        """The box as an embedding whose cost is the distance (distance mode).

        The cost equals the norm, or a strictly increasing function of it (ℓ2: half its square).
        """


def in_units(differences: Float64, units: Float64 | None) -> Float64:
    """Differences (..., d) as multiples of positive units, kept small enough to be summed.

    A quotient is above 1 exactly where the difference is above its unit, rounded or not.
    """
    if units is None:
        return differences
    with np.errstate(over="ignore"):
        return np.clip(differences / units, -_SUMMABLE, _SUMMABLE)
