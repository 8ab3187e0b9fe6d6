"""The linear regions of a network over a plane through its input space, exactly (paper, Figure 1).

Over a polygon on which all layers before it are affine, a pre-activation is affine too, so its
values at the vertices say where it changes its sign: the polygon is cut there, unit by unit and
layer by layer. What is left are the regions' intersections with the plane, which are convex.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.errors import InputError
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.pattern import ActivationPattern

_FLAT: Final = 1e-10
"""Values of a polygon's vertices below this share of the largest one count as 0: a face that only
touches the polygon cuts off nothing."""


@final
@dataclass(frozen=True)
class Plane:
    """The points ``origin + a u + b v`` for coordinates (a, b).

    Attributes:
        origin: (d,) the point of coordinates (0, 0).
        u: (d,) first direction.
        v: (d,) second direction.
    """

    origin: Float64
    u: Float64
    v: Float64

    @classmethod
    def through(cls, points: Float64) -> Plane:
        """The plane through three points (3, d), with orthonormal directions.

        Raises:
            InputError: the points lie on a line.
        """
        origin, first, second = points.astype(np.float64)
        u = first - origin
        length = float(np.linalg.norm(u))
        u /= max(length, np.finfo(np.float64).tiny)
        v = second - origin
        reach = float(np.linalg.norm(v))
        v = np.asarray(v - (v @ u) * u, dtype=np.float64)
        height = float(np.linalg.norm(v))
        if length == 0.0 or height <= 1e-9 * max(reach, length):
            raise InputError("the three points lie on a line: give points that span a plane")
        return cls(origin, u, v / height)

    def points(self, coordinates: Float64) -> Float64:
        """Points (n, d) of coordinates (n, 2)."""
        return self.origin + coordinates[:, :1] * self.u + coordinates[:, 1:] * self.v

    def coordinates(self, points: Float64) -> Float64:
        """Coordinates (n, 2) of the nearest points of the plane to points (n, d)."""
        directions = np.stack([self.u, self.v], axis=1)
        solved = np.linalg.lstsq(directions, (points - self.origin).T)[0].T
        return np.asarray(solved, dtype=np.float64)


@final
@dataclass(frozen=True)
class PlanarRegion:
    """The part of a linear region that lies in the plane.

    Attributes:
        vertices: (m, 2) coordinates of its corners, in order.
        logits: (m, k) the logits there; the network is affine between them.
        pattern: its activation pattern.
    """

    vertices: Float64
    logits: Float64
    pattern: ActivationPattern

    @property
    def classes(self) -> dict[int, Float64]:
        """For each class that is the largest somewhere, the corners (m, 2) of where it is."""
        largest = np.unique(self.logits.argmax(axis=1))
        if len(largest) == 1:
            return {int(largest[0]): self.vertices}
        found: dict[int, Float64] = {}
        for label in range(self.logits.shape[1]):  # one may be the largest inside alone
            values = self.logits[:, [label]] - np.delete(self.logits, label, axis=1)
            polygon = _Polygon(self.vertices, values)
            for other in range(values.shape[1]):
                kept = [part for part in polygon.cut(other) if part.is_above(other)]
                if not kept:
                    break
                polygon = kept[0]
            else:
                found[int(label)] = polygon.vertices
        return found


@dataclass(frozen=True)
class _Polygon:
    """A convex polygon and the values of affine functions at its corners.

    Attributes:
        vertices: (m, 2) its corners, in order.
        values: (m, functions) values there.
    """

    vertices: Float64
    values: Float64

    def is_above(self, function: int) -> bool:
        """Whether a function that does not change its sign is at least 0."""
        return bool(self.values[:, function].mean() >= 0)

    def cut(self, function: int) -> tuple[_Polygon, ...]:
        """The parts on both sides of a function's zeros; the polygon itself where none has both."""
        f = self.values[:, function]
        small = _FLAT * float(np.abs(f).max(initial=0.0))
        if f.min() >= -small or f.max() <= small:
            return (self,)
        after = np.roll(f, -1)
        crossed = np.flatnonzero((f > small) & (after < -small) | (f < -small) & (after > small))
        share = f[crossed] / (f[crossed] - after[crossed])
        following = (crossed + 1) % len(f)
        met, values = (
            rows[crossed] + share[:, None] * (rows[following] - rows[crossed])
            for rows in (self.vertices, self.values)
        )
        values[:, function] = 0.0
        order = np.argsort(np.concatenate([np.arange(len(f)), crossed + 0.5]), kind="stable")
        vertices = np.concatenate([self.vertices, met])[order]
        every = np.concatenate([self.values, values])[order]
        sides = every[:, function]
        above, below = sides >= -small, sides <= small
        return (
            _Polygon(vertices[above], every[above]),
            _Polygon(vertices[below], every[below]),
        )


def cut_plane(network: Network, plane: Plane, lower: Float64, upper: Float64) -> list[PlanarRegion]:
    """The linear regions of a network over a rectangle of a plane.

    Args:
        network: the network.
        plane: the plane.
        lower: (2,) least coordinates.
        upper: (2,) largest coordinates.

    Raises:
        InputError: the network has units other than activations with one kink.
    """
    corners = np.array(
        [[lower[0], lower[1]], [upper[0], lower[1]], [upper[0], upper[1]], [lower[0], upper[1]]]
    )
    polygons = [corners]
    for index, step in enumerate(network.steps):
        layer = step.layer
        if not isinstance(layer, PiecewiseLayer):
            continue
        if not isinstance(layer, Activation):
            raise InputError(
                f"step {index} of the network is no activation with one kink: regions over a plane "
                "are drawn for networks of ReLUs and their relatives"
            )
        kink = np.broadcast_to(layer.kink, layer.shape).ravel()
        polygons = [
            part
            for polygon, values in _evaluate(network, plane, polygons, step.inputs[0])
            for part in _cut_by_all(_Polygon(polygon, values - kink))
        ]
    return [
        PlanarRegion(polygon, logits, network.pattern(plane.points(polygon.mean(axis=0)[None])[0]))
        for polygon, logits in _evaluate(network, plane, polygons, len(network.steps))
    ]


def _evaluate(
    network: Network, plane: Plane, polygons: Sequence[Float64], index: int
) -> Iterator[tuple[Float64, Float64]]:
    """Each polygon with one of the network's values at its corners."""
    for polygon in polygons:
        values = network.values(plane.points(polygon))[index]
        yield polygon, values.reshape(len(polygon), -1).astype(np.float64)


def _cut_by_all(polygon: _Polygon) -> list[Float64]:
    """A polygon cut by all of its functions."""
    parts = [polygon]
    for function in np.flatnonzero(
        (polygon.values.min(axis=0) < 0) & (polygon.values.max(axis=0) > 0)
    ):
        parts = [piece for part in parts for piece in part.cut(int(function))]
    return [part.vertices for part in parts]
