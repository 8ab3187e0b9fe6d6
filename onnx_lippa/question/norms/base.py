"""What a norm must offer to an attack."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.question.embedding import Embedding

Projector: TypeAlias = Callable[[Floats], Floats]


class Norm(ABC):
    """A norm on flattened inputs. Stateless; batches have shape (n, d)."""

    name: str
    order: float
    solver: str
    """The solver that suits the programs of this norm best."""

    @abstractmethod
    def distance(self, difference: Float64) -> float:
        """The norm of one difference (d,), correctly rounded where that is possible."""

    @abstractmethod
    def lengths(self, differences: Float64) -> Float64:
        """The norm of many differences (n, d) at once, but for rounding; (n,)."""

    def widths(self, d: int) -> Float64:
        """How far each feature may move by itself within the unit ball; (d,)."""
        return np.ones(d)

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
        """The points (count, d) that as many calls of :meth:`sample` give."""
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
