"""Sets of inputs: a norm ball around the clean input intersected with a box, perhaps on a grid."""

from __future__ import annotations

import hashlib
from abc import ABC
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Final, Self, final

import numpy as np

from onnx_lippa.arrays import FLOAT32, AnyArray, Float64, Floats, Integers
from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.embedding import Embedding, Rows
from onnx_lippa.spec.relations import Relations
from onnx_lippa.spec.subspace import RowSubspaces, Subspace

_LARGEST_DENOMINATOR: Final = 1_000_000
_COUNTABLE: Final = 2.0**52
"""Multiples of a step are distinct in float64 up to about here; beyond, any value will do."""


@dataclass(frozen=True)
class Grid:
    """The points whose feature i is an integer multiple of ``steps[i]``.

    A multiple is rounded to the nearest number of the model's type. A step that is the float64 of
    a simple fraction p/q stands for that fraction: multiples of 1/255 are the pixels of 8-bit
    images divided by 255, and 3 * 0.1 is the 0.3 of a data file, not 0.30000000000000004.

    Attributes:
        steps: (d,) the steps; 0 for any value.
    """

    steps: Float64

    def nearest(self, x: Float64) -> Float64:
        """The nearest grid point to a point (d,), in float64."""
        return self.at(self.counts(x), x)

    def within(
        self, x: Float64, lower: Float64, upper: Float64, dtype: np.dtype[np.floating]
    ) -> Float64:
        """The nearest grid points to points (n, d) of a box that are in the box when stored."""
        counts = self.counts(x)
        stored = self.at(counts, x).astype(dtype).astype(np.float64)
        return self.at(counts + (stored < lower) - (stored > upper), x)

    def contains(self, x: Float64, dtype: np.dtype[np.floating]) -> bool:
        """Whether a stored point (d,) is on the grid."""
        return bool(np.all(self.are_on(x, dtype)))

    def are_on(self, x: Float64, dtype: np.dtype[np.floating]) -> np.ndarray:
        """Which stored values (..., d) are on the grid."""
        with np.errstate(over="ignore"):  # infinite beyond the type
            snapped = self.nearest(x).astype(dtype).astype(np.float64)
        return np.asarray((self.steps == 0.0) | (snapped == x))

    def counts(self, x: Float64) -> Float64:
        """The numbers of the nearest multiples to a point (..., d); 0 for a step of 0."""
        quotients = np.zeros_like(x)
        with np.errstate(over="ignore"):
            np.divide(x, self.steps, out=quotients, where=self.steps != 0.0)
        return np.rint(quotients)

    def at(self, counts: Float64, x: Float64) -> Float64:
        """The multiples with these numbers (..., d), in float64; x where the step is 0."""
        countable = (self.steps != 0.0) & (np.abs(counts) < _COUNTABLE)
        counts = np.where(countable, counts, 0.0)
        return np.where(countable, counts * self._numerators / self._denominators, x)

    def multiples(self, features: Integers | int, counts: Float64) -> Float64:
        """The multiples with these numbers (n,) of some features' steps, none of them 0."""
        exact = counts * self._numerators[features]
        return np.asarray(exact / self._denominators[features], dtype=np.float64)

    @cached_property
    def _fractions(self) -> Float64:
        different, which = np.unique(self.steps, return_inverse=True)
        return np.array([_fraction(float(step)) for step in different])[which.ravel()]

    @property
    def _numerators(self) -> Float64:
        return self._fractions[:, 0]

    @property
    def _denominators(self) -> Float64:
        return self._fractions[:, 1]


@lru_cache(maxsize=4096)
def _fraction(step: float) -> tuple[float, float]:
    """Numerator and denominator of a step: integers if it is the float64 of a simple fraction."""
    simple = Fraction(step).limit_denominator(_LARGEST_DENOMINATOR)
    if float(simple) == step and simple.numerator < _COUNTABLE:
        return float(simple.numerator), float(simple.denominator)
    inverse = round(1.0 / step) if step > 1.0 / _COUNTABLE else 0
    if inverse and 1.0 / inverse == step:
        return 1.0, float(inverse)
    return step, 1.0


_PROJECTIONS: Final = 60
"""Most alternating projections onto ball, box and relations."""
_UNBOUNDED: Final = 1e6
"""Assumed extent of a feature without a bound."""
_LEAST_ON_GRID: Final = 2.0**-10
"""First retreat of a point on a grid that rounding moved out of the ball, as a share of its
distance; without a grid, half a unit of rounding."""


@dataclass(frozen=True)
class _BallInBox(ABC):
    center: Float64
    norm: Norm
    eps: float
    lower: Float64
    upper: Float64

    @property
    def size(self) -> int:
        """Number d of features."""
        return int(self.center.size)

    @property
    def radii(self) -> Float64:
        """(d,) how far each feature moves by itself within the ball."""
        return self.norm.radii(self.size, self.eps)

    @property
    def largest(self) -> Float64:
        """(d,) bounds of the absolute value of each feature, perhaps infinite."""
        with np.errstate(over="ignore"):
            far = np.abs(self.center) + self.radii * (1 + 1e-9)
        return np.minimum(far, np.maximum(np.abs(self.lower), np.abs(self.upper)))

    def distance(self, x: Floats) -> float:
        """Distance of an input to the centre, rounded up (see :meth:`Norm.distance`)."""
        return self.norm.distance(x.astype(np.float64).ravel(), self.center)

    def with_eps(self, eps: float) -> Self:
        """The set with another radius."""
        return replace(self, eps=eps)


@lru_cache(maxsize=256)
def _find_subspace(relations: Relations, moves: bytes) -> Subspace:
    """The subspace of features that move by so much; the same object for the same numbers."""
    scale = np.frombuffer(moves)
    return Subspace.of(relations.matrix(scale.size), scale)


@dataclass(frozen=True)
class InputSet(_BallInBox):
    """The inputs that are searched: ``{x : ||x - center|| <= eps, lower <= x <= upper}``.

    Attributes:
        center: (d,) the clean input, in numbers of the model's type.
        norm: the norm of the ball.
        eps: its radius; infinite where the distance is minimised.
        lower: (d,) lower bounds of the domain.
        upper: (d,) upper bounds of the domain.
        dtype: the type of the model, float32 or float64.
        grid: the values that features may take, or None for any.
        relations: relations between features, or None.
    """

    dtype: np.dtype[np.floating] = FLOAT32
    grid: Grid | None = None
    relations: Relations | None = None

    @property
    def free_features(self) -> int:
        """Number of features that can take more than one value."""
        return int(np.count_nonzero(self.lower < self.upper))

    def generator(self, seed: int, name: str, *numbers: int) -> np.random.Generator:
        """A random generator that depends on the seed, on this set and on a purpose alone.

        All random numbers of an attack come from here.

        Args:
            seed: the seed of the run.
            name: the purpose.
            numbers: further numbers that distinguish it, such as a round; at least 0.
        """
        purpose = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
        return np.random.default_rng([seed, self._content, purpose, *numbers])

    @cached_property
    def _content(self) -> int:
        """A digest of clean input and box, without the radius, which attacks change."""
        digest = hashlib.blake2b(digest_size=16)
        for values in (self.center, self.lower, self.upper):
            digest.update((values + 0.0).tobytes())  # -0 is 0
        return int.from_bytes(digest.digest(), "big")

    def sample(self, generator: np.random.Generator, count: int) -> Float64:
        """Random points (count, d) of the ball, projected onto the box."""
        points = self.norm.samples(generator, count, self.size)
        return self.project(self.center + self.eps * points)

    def project(self, x: Float64) -> Float64:
        """Projects points (n, d) onto ball, box and relations, up to rounding; ``x`` stays."""
        eps = np.full(len(x), self.eps)
        center = np.broadcast_to(self.center, x.shape)
        project = self.norm.projector(center, eps, self.lower, self.upper)
        if self.subspace is not None:
            subspaces = RowSubspaces((self.subspace,), np.zeros(len(x), np.int64))
            project = subspaces.projector(project, center, _PROJECTIONS)
        copy = x.astype(np.float64)  # the projector may change it
        return project(copy).astype(np.float64, copy=False)

    @cached_property
    def subspace(self) -> Subspace | None:
        """The directions in which the relations hold; None without relations."""
        if self.relations is None:
            return None
        moves = np.where(self.lower < self.upper, self.norm.unit_radii(self.size), 0.0)
        return _find_subspace(self.relations, moves.tobytes())

    @cached_property
    def rows(self) -> Rows | None:
        """The affine rows of the relations, for programs; None without relations."""
        if self.relations is None:
            return None
        far = np.where(np.isfinite(self.largest), self.largest, np.abs(self.center) + 1.0)
        return self.relations.rows(far, self.dtype)

    def ball(self) -> Embedding:
        """Ball, box and affine rows as an embedding without cost."""
        return self._require(self.norm.ball(self.center, self.eps, self.lower, self.upper))

    def epigraph(self) -> Embedding:
        """Box and affine rows as an embedding whose cost is the norm, or half its square."""
        return self._require(self.norm.epigraph(self.center, self.lower, self.upper))

    def _require(self, embedding: Embedding) -> Embedding:
        return embedding if self.rows is None else embedding.require(self.rows)

    def contains(self, x: Floats) -> bool:
        """Whether a stored input lies in the set, exactly, without rounding or tolerance."""
        exact = x.astype(np.float64).ravel()
        inside_box = bool(np.all(exact >= self.lower) and np.all(exact <= self.upper))
        on_grid = self.grid is None or self.grid.contains(exact, self.dtype)
        related = self.relations is None or self.relations.hold(exact, self.dtype)
        return inside_box and on_grid and related and self.norm.within(exact, self.center, self.eps)

    def length(self, x: Float64) -> float:
        """The distance of a point (d,) up to rounding."""
        return float(self.norm.lengths((x - self.center)[None])[0])

    def to_model_type(self, x: Float64) -> Floats:
        """Rounds ``x`` inward to a point of the set in the model's type.

        That is the nearest number of the type if it is in the set, so stored points do not
        change. Other points are projected first. The result always satisfies :meth:`contains`,
        since the centre does.
        """
        nearest = self._stored(x)
        if self.contains(nearest):
            return nearest
        if self.grid is None:
            # Where only the box is violated, only its features move: the centre may be far away.
            with np.errstate(over="ignore"):
                clipped = self._in_box(x)
            if self.contains(clipped):
                return clipped
        inside = self.project(x[None].astype(np.float64))[0]
        rounded = self._in_box(inside)
        retreat = 0.0
        least = _LEAST_ON_GRID if self.grid is not None else float(np.finfo(self.dtype).eps) / 2
        while not self.contains(rounded):
            # Rounding left the ball: retreat, twice as far in each round.
            retreat = least if retreat == 0.0 else 2 * retreat
            keep = max(0.0, 1.0 - retreat)
            rounded = self._in_box(self.center + keep * (inside - self.center))
            if keep == 0.0:
                return self.center.astype(self.dtype)
        return rounded

    @property
    def widest(self) -> float:
        """Radius of a ball that contains the box, up to rounding; large where it is unbounded."""
        extent = np.maximum(self.upper - self.center, self.center - self.lower)
        bounded = np.where(np.isfinite(extent), extent, _UNBOUNDED)
        return float(self.norm.lengths(bounded[None])[0])

    @property
    def takes_any_value(self) -> np.ndarray:
        """(d,) which features have no grid."""
        return np.asarray(np.ones(self.size, bool) if self.grid is None else self.grid.steps == 0)

    def may_take(self, x: Float64) -> np.ndarray:
        """Which features of points (..., d) satisfy their own bounds in box and ball, exactly."""
        inside = (x >= self.lower) & (x <= self.upper)
        return np.asarray(inside & (np.abs(x - self.center) <= self.radii))

    def _stored(self, x: Float64) -> Floats:
        with np.errstate(over="ignore"):  # beyond the type it is infinite
            stored = (x if self.grid is None else self.grid.nearest(x)).astype(self.dtype)
        return self._related(stored)

    def _in_box(self, x: Float64) -> Floats:
        lower, upper = round_up(self.lower, self.dtype), round_down(self.upper, self.dtype)
        if self.grid is not None:
            x = self._snapped(self.grid, x)
        return self._related(np.clip(x.astype(self.dtype), lower, upper))

    def _related(self, x: Floats) -> Floats:
        return x if self.relations is None else self.relations.move_onto(x, self.center)

    def _snapped(self, grid: Grid, x: Float64) -> Float64:
        """The nearest grid point whose features satisfy their own bounds; x is inside."""
        counts, middle = grid.counts(x), grid.counts(self.center)
        for _ in range(2):  # one step inward is enough but for rounding
            outside = ~self.may_take(grid.at(counts, x).astype(self.dtype).astype(np.float64))
            counts = counts - np.where(outside, np.sign(counts - middle), 0.0)
        return grid.at(counts, x)


def round_up(values: Float64, dtype: np.dtype[np.floating]) -> Floats:
    """Values rounded up to a type."""
    with np.errstate(over="ignore"):  # beyond the type it is infinite
        rounded = values.astype(dtype)
        above = np.nextafter(rounded, np.inf, dtype=dtype)
    return np.where(rounded.astype(np.float64) < values, above, rounded)


def round_down(values: Float64, dtype: np.dtype[np.floating]) -> Floats:
    """Values rounded down to a type."""
    return -round_up(-values, dtype)


@final
@dataclass(frozen=True)
class StatedSet(_BallInBox):
    """The inputs that a proof covers: ``{x : ||x - center|| <= eps, lower <= x <= upper}``.

    Unlike in an :class:`InputSet`, no bound is invented and every bound is rounded outward, so
    that a proof holds for the stated inputs. It is a type of its own so that the two are not
    confused; only ``Problem.stated`` makes one for a proof.

    Attributes:
        center: (d,) the clean input; any point of the box without a ball.
        norm: the norm of the ball.
        eps: its radius; infinite without a ball.
        lower: (d,) lower bounds, rounded down; ``-inf`` for none.
        upper: (d,) upper bounds, rounded up; ``inf`` for none.
        is_open: (d,) which lower and which upper bounds are never attained: strict ones, and
            those that rounding moved; None for none.
        rows: affine rows that all of them satisfy, or None.
    """

    is_open: tuple[AnyArray | None, AnyArray | None] = (None, None)
    rows: Rows | None = None

    @property
    def unbounded(self) -> int:
        """Number of features without bounds on both sides."""
        open_ = np.isinf(self.lower) | np.isinf(self.upper)
        return int(np.count_nonzero(open_ & np.isinf(self.radii)))

    def is_in_box(self, x: Float64) -> bool:
        """Whether an input (d,) lies in the box; the ball is not considered."""
        return bool(np.all(x >= self.lower) and np.all(x <= self.upper))
