"""The interface of a norm."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeAlias, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.spec.norms.embedding import Embedding
from onnx_lippa.spec.norms.exact import Magnitudes, Ratio, magnitudes
from onnx_lippa.spec.norms.trust_region import Walk

Projector: TypeAlias = Callable[[Floats], Floats]

_ROUNDING: Final = 2.0**-52
_EXTRA_OPERATIONS: Final = 16
"""A length of d features has a relative error of at most (d / 2 + 6) * 2**-53: differences,
quotients by the scale, squares, their sum, its root. Twice that is allowed for."""
_SMALL: Final = 1e-140
_LARGE: Final = 1e140
"""Between these no relevant square under- or overflows."""
_SUMMABLE: Final = 1e150
"""No sum of such numbers or of their squares overflows."""


class Norm(ABC):
    """A norm on flattened inputs. Stateless; batches have shape (n, d)."""

    name: str
    order: float
    solver: str
    """The default solver for the programs of this norm."""
    has_sparse_steps: bool = False
    """Whether steepest steps move few features."""
    power: int = 1
    """The power of the norm that is rational for rational displacements."""

    @abstractmethod
    def measure(self, parts: Magnitudes) -> Ratio:
        """The norm of displacements, raised to :attr:`power`, exactly."""

    def within(self, x: Float64, center: Float64, eps: float, scale: Float64 | None = None) -> bool:
        """Whether ``||(x - center) / scale|| <= eps``, exactly.

        Floating point decides where the two sides differ by more than its rounding error, integer
        arithmetic elsewhere.

        Args:
            x: (d,) the point; False where a number is not finite.
            center: (d,) the centre.
            eps: the radius, at least 0; may be infinite.
            scale: (d,) positive scale of each feature; None for 1.
        """
        if not np.isfinite(x).all():
            return False
        if math.isinf(eps):
            return True
        if _SMALL <= eps <= _LARGE:
            with np.errstate(over="ignore"):  # beyond float64 it is outside
                length = float(self.lengths(divide_by_scale(x - center, scale)[None])[0])
            slack = (x.size + _EXTRA_OPERATIONS) * _ROUNDING
            if not eps * (1.0 - slack) <= length <= eps * (1.0 + slack):
                return length < eps
        return self.measure(magnitudes(x, center, scale)).at_most(eps, self.power)

    def distance(self, x: Float64, center: Float64, scale: Float64 | None = None) -> float:
        """``||(x - center) / scale||``, rounded up to the least float that is not below it.

        It is at most a radius exactly where the point is within it; infinite where a number is
        not finite.
        """
        if not np.isfinite(x).all():
            return math.inf
        return self.measure(magnitudes(x, center, scale)).root(self.power)

    @abstractmethod
    def lengths(self, differences: Float64) -> Float64:
        """Norms (n,) of differences (n, d), up to rounding."""

    def unit_radii(self, d: int) -> Float64:
        """(d,) how far each feature moves by itself within the unit ball."""
        return np.ones(d)

    @final
    def radii(self, d: int, eps: float) -> Float64:
        """(d,) how far each feature moves by itself within a ball; eps may be infinite."""
        unit = self.unit_radii(d)
        return np.where(unit > 0, eps * np.where(unit > 0, unit, 1.0), 0.0)

    @abstractmethod
    def projector(self, center: Floats, eps: Floats, lower: Floats, upper: Floats) -> Projector:
        """A function that projects points (n, d) onto balls and box, at least approximately.

        Args:
            center: (n, d) centres, inside the box.
            eps: (n,) radii, perhaps infinite.
            lower: (d,) box, or (n, d) boxes.
            upper: (d,) box, or (n, d) boxes.

        Returns:
            The function; it may change its argument in place. Rounding may leave its result an
            ulp outside; :meth:`InputSet.to_model_type` is exact.
        """

    @abstractmethod
    def steepest_descent(self, gradient: Floats) -> Floats:
        """Unit steps (n, d) of steepest descent for linear functions with these gradients."""

    @abstractmethod
    def samples(self, generator: np.random.Generator, count: int, d: int) -> Float64:
        """Random points (count, d), uniform in the unit ball."""

    @final
    def sample(self, generator: np.random.Generator, d: int) -> Float64:
        """A random point (d,), uniform in the unit ball."""
        return self.samples(generator, 1, d)[0]

    @abstractmethod
    def sample_extreme(self, generator: np.random.Generator, d: int) -> Float64:
        """A random point (d,) on the unit sphere, or near it, for diverse restarts."""

    @abstractmethod
    def dual(self, gradient: Float64) -> Float64:
        """Dual norms (n,) of gradients (n, d)."""

    @abstractmethod
    def step_to_hyperplane(
        self, normal: Floats, gap: Floats, lower: Floats, upper: Floats
    ) -> Floats:
        """Least steps (n, d) with ``normal @ step = gap`` inside boxes, in closed form.

        A hyperplane out of reach gives the corner of the box that comes nearest to it; features
        without a bound then stay.

        Args:
            normal: (n, d) normals.
            gap: (n,) right sides.
            lower: (n, d) lower bounds of the steps, at most 0.
            upper: (n, d) upper bounds, at least 0.
        """

    @abstractmethod
    def walk_boundary(self, walk: Walk) -> Floats:
        """Steps (n, d) with ``normal @ step = gap`` after which displacements are least.

        They are of the displacements' type. Where the hyperplane is out of reach, they go towards
        it.
        """

    @abstractmethod
    def minimize_linear(
        self, cost: Float64, center: Float64, eps: float, lower: Float64, upper: Float64
    ) -> Float64:
        """Closed-form minimiser (d,) of ``cost @ x`` over ball and box, for a finite eps."""

    @abstractmethod
    def ball(self, center: Float64, eps: float, lower: Float64, upper: Float64) -> Embedding:
        """Ball and box as an embedding without cost (margin mode)."""

    @abstractmethod
    def epigraph(self, center: Float64, lower: Float64, upper: Float64) -> Embedding:
        """The box as an embedding whose cost is the norm, or half its square (distance mode)."""


def divide_by_scale(differences: Float64, scale: Float64 | None) -> Float64:
    """Differences (..., d) over a positive scale, clipped so that their sums are finite.

    Rounding keeps the order of a difference and its scale.
    """
    if scale is None:
        return differences
    with np.errstate(over="ignore"):
        return np.clip(differences / scale, -_SUMMABLE, _SUMMABLE)
