"""The inputs a search may use: a norm ball around the clean input, cut with a box."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from onnx_lippa.arrays import FLOAT32, Float64, Floats
from onnx_lippa.spec.grid import Grid
from onnx_lippa.spec.norms.base import Norm

_UNBOUNDED: Final = 1e6
"""How far a feature without a bound is thought to go where a ball is to hold it."""
_LEAST_ON_GRID: Final = 2.0**-10
"""What a point that rounding moved out of the ball gives back first, as a share of its distance,
where there is a grid; without one it is half a unit of rounding."""


@dataclass(frozen=True)
class InputSet:
    """``{x : ||x - center|| <= eps, lower <= x <= upper}``, everything flattened.

    Attributes:
        center: (d,) the clean input; each value is one that the model's type can hold.
        norm: the norm of the ball.
        eps: its radius; infinite where the distance is what is minimised.
        lower: (d,) lower bounds of the domain.
        upper: (d,) upper bounds of the domain.
        dtype: the type that the model takes, float32 or float64.
        grid: the values that features may take, or None where all may be any.
    """

    center: Float64
    norm: Norm
    eps: float
    lower: Float64
    upper: Float64
    dtype: np.dtype[np.floating] = FLOAT32
    grid: Grid | None = None

    @property
    def size(self) -> int:
        """Number d of features."""
        return int(self.center.size)

    @property
    def free_features(self) -> int:
        """Number of features that can take more than one value."""
        return int(np.count_nonzero(self.lower < self.upper))

    def generator(self, seed: int, name: str, *numbers: int) -> np.random.Generator:
        """Random numbers for one purpose: they depend on the seed, on what this set holds, and on
        the purpose, and on nothing that surrounds the set. All random numbers of an attack come
        from here.

        Args:
            seed: the seed of the run.
            name: the purpose.
            numbers: which one of several of its kind, as a round; not negative.
        """
        purpose = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
        return np.random.default_rng([seed, self._content, purpose, *numbers])

    @cached_property
    def _content(self) -> int:
        """A digest of clean input and box. The radius is left out: it changes while an attack
        goes on."""
        digest = hashlib.blake2b(digest_size=16)
        for values in (self.center, self.lower, self.upper):
            digest.update((values + 0.0).tobytes())  # -0 is 0
        return int.from_bytes(digest.digest(), "big")

    def sampled(self, generator: np.random.Generator, count: int) -> Float64:
        """Random points (count, d) of the ball, moved into the box."""
        points = self.norm.samples(generator, count, self.size)
        return self.projected(self.center + self.eps * points)

    def projected(self, x: Float64) -> Float64:
        """Points (n, d) moved into ball and box, but for rounding."""
        eps = np.full(len(x), self.eps)
        center = np.broadcast_to(self.center, x.shape)
        project = self.norm.projector(center, eps, self.lower, self.upper)
        return project(x).astype(np.float64, copy=False)

    def contains(self, x: Floats) -> bool:
        """Whether a stored input lies in the set: its numbers, those of the centre, radius, units
        and bounds are taken for the real numbers they are, and nothing is rounded."""
        exact = x.astype(np.float64).ravel()
        inside_box = bool(np.all(exact >= self.lower) and np.all(exact <= self.upper))
        on_grid = self.grid is None or self.grid.contains(exact, self.dtype)
        return inside_box and on_grid and self.norm.within(exact, self.center, self.eps)

    def distance(self, x: Floats) -> float:
        """Distance of an input to the centre, rounded up (see :meth:`Norm.distance`)."""
        return self.norm.distance(x.astype(np.float64).ravel(), self.center)

    def length(self, x: Float64) -> float:
        """The distance of a point (d,) but for rounding: for what guides and proves nothing."""
        return float(self.norm.lengths((x - self.center)[None])[0])

    def to_model_type(self, x: Float64) -> Floats:
        """The point of the model's type in the set near ``x``, rounded inward.

        A point whose nearest such point is in the set becomes that one, so a stored point stays
        as it is. Any other is moved in first. The result always satisfies :meth:`contains`, since
        the centre itself does.
        """
        nearest = self._stored(x)
        if self.contains(nearest):
            return nearest
        if self.grid is None:
            # Where only the box is in the way nothing else need move: the centre may be far away.
            with np.errstate(over="ignore"):
                clipped = self._in_box(x)
            if self.contains(clipped):
                return clipped
        project = self.norm.projector(
            self.center[None], np.array([self.eps]), self.lower, self.upper
        )
        inside = project(x[None].astype(np.float64))[0]
        rounded = self._in_box(inside)
        retreat = 0.0
        least = _LEAST_ON_GRID if self.grid is not None else float(np.finfo(self.dtype).eps) / 2
        while not self.contains(rounded):
            # Rounding stepped out of the ball: each round gives back twice as much.
            retreat = least if retreat == 0.0 else 2 * retreat
            keep = max(0.0, 1.0 - retreat)
            rounded = self._in_box(self.center + keep * (inside - self.center))
            if keep == 0.0:
                return self.center.astype(self.dtype)
        return rounded

    @property
    def reach(self) -> Float64:
        """(d,) how far each feature may move by itself within the ball."""
        return self.norm.reach(self.size, self.eps)

    @property
    def widest(self) -> float:
        """Radius of a ball that holds the box, but for rounding; a large one where it is
        unbounded."""
        reach = np.maximum(self.upper - self.center, self.center - self.lower)
        bounded = np.where(np.isfinite(reach), reach, _UNBOUNDED)
        return float(self.norm.lengths(bounded[None])[0])

    @property
    def takes_any_value(self) -> np.ndarray:
        """(d,) which features have no grid."""
        return np.asarray(np.ones(self.size, bool) if self.grid is None else self.grid.steps == 0)

    def may_take(self, x: Float64) -> np.ndarray:
        """Which features of points (..., d) are where each may be by itself, exactly."""
        inside = (x >= self.lower) & (x <= self.upper)
        return np.asarray(inside & (np.abs(x - self.center) <= self.reach))

    def _stored(self, x: Float64) -> Floats:
        with np.errstate(over="ignore"):  # beyond the type it is infinite
            return (x if self.grid is None else self.grid.nearest(x)).astype(self.dtype)

    def _in_box(self, x: Float64) -> Floats:
        lower, upper = round_up(self.lower, self.dtype), round_down(self.upper, self.dtype)
        if self.grid is not None:
            x = self._snapped(self.grid, x)
        return np.clip(x.astype(self.dtype), lower, upper)

    def _snapped(self, grid: Grid, x: Float64) -> Float64:
        """The nearest grid point with every feature where it may be by itself; x is inside."""
        counts, middle = grid.counts(x), grid.counts(self.center)
        for _ in range(2):  # one step inward is enough but for rounding
            outside = ~self.may_take(grid.at(counts, x).astype(self.dtype).astype(np.float64))
            counts = counts - np.where(outside, np.sign(counts - middle), 0.0)
        return grid.at(counts, x)

    def with_eps(self, eps: float) -> InputSet:
        """The same set with another radius."""
        return replace(self, eps=eps)


def round_up(values: Float64, dtype: np.dtype[np.floating]) -> Floats:
    """The smallest numbers of a type that are not below the values."""
    with np.errstate(over="ignore"):  # beyond the type it is infinite
        rounded = values.astype(dtype)
        above = np.nextafter(rounded, np.inf, dtype=dtype)
    return np.where(rounded.astype(np.float64) < values, above, rounded)


def round_down(values: Float64, dtype: np.dtype[np.floating]) -> Floats:
    """The largest numbers of a type that are not above the values."""
    return -round_up(-values, dtype)
