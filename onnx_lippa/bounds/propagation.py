"""Interval propagation through a network, for several input sets at once.

The box around each input set is propagated layer by layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.interval import Interval, IntervalAlgebra, bound_output
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import Step
from onnx_lippa.spec import StatedSet


@final
@dataclass(frozen=True)
class InputSets:
    """Several input sets, each with its bounding box, rounded outward.

    Attributes:
        domains: the n sets.
        lower: (n, d) lower bounds of the boxes.
        upper: (n, d) upper bounds.
    """

    domains: tuple[InputDomain, ...]
    lower: Float64
    upper: Float64

    @classmethod
    def of(cls, sets: Sequence[StatedSet]) -> InputSets:
        """From sets; those of infinite radius have infinite bounds."""
        domains = tuple(InputDomain.of(one) for one in sets)
        lower, upper = zip(*(domain.box for domain in domains), strict=True)
        return cls(domains, np.array(lower), np.array(upper))

    @property
    def count(self) -> int:
        """Number n of sets."""
        return len(self.domains)

    @property
    def are_boxes(self) -> bool:
        """Whether every set equals its box."""
        return all(domain.ball is None for domain in self.domains)

    def interval(self, shape: tuple[int, ...]) -> Interval:
        """The boxes as bounds of inputs of this sample shape."""
        return Interval(self.lower.reshape(-1, *shape), self.upper.reshape(-1, *shape))


_ALGEBRA: Final = IntervalAlgebra()


@final
class IntervalPropagation:
    """Intervals of the values of a network over several input sets, one step after another.

    Beside each value v its size is propagated: ``|A| |x| + |c|`` where v = A x + c. No linear
    function of v has terms whose absolute values sum to more than its coefficients times the size,
    which rounding is relative to.

    Args:
        network: the network.
        sets: the n input sets.
        deadline: ``time.monotonic()`` from which on no step is taken.
    """

    def __init__(self, network: Network, sets: InputSets, deadline: float = NEVER) -> None:
        self.network, self.sets, self._deadline = network, sets, deadline
        first = sets.interval(network.input_shape)
        self._values: dict[int, Interval] = {0: first}
        self._sizes: dict[int, Float64] = {0: first.size}
        self._last_use = {i: place for place, step in enumerate(network.steps) for i in step.inputs}

    def operand(self, step: Step) -> Interval:
        """Bounds of the operand of a piecewise-linear step."""
        return self._values[step.inputs[0]].bounded()

    def sizes(self, index: int) -> Float64:
        """Sizes (n, units) of a value with steps to come that take it."""
        return self._sizes[index].reshape(self.sets.count, -1)

    def propagate_affine(self, place: int) -> None:
        """Propagates through an affine step.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        require_time(self._deadline)
        step = self.network.steps[place]
        if not isinstance(step.layer, AffineLayer):
            raise TypeError(f"{type(step.layer).__name__} is not affine")
        operands = [self._values[i] for i in step.inputs]
        around = [Interval(-self._sizes[i], self._sizes[i]) for i in step.inputs]
        self._values[place + 1] = step.layer.forward(_ALGEBRA, *operands)
        self._sizes[place + 1] = step.layer.forward(_ALGEBRA, *around).size
        self._forget(place)

    def propagate_piecewise(self, place: int, x: Interval) -> None:
        """Propagates through a piecewise-linear step, given bounds of its operand.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        require_time(self._deadline)
        step = self.network.steps[place]
        if not isinstance(step.layer, PiecewiseLayer):
            raise TypeError(f"{type(step.layer).__name__} is not piecewise linear")
        z = bound_output(step.layer, x)
        self._values[place + 1], self._sizes[place + 1] = z, z.size
        self._forget(place)

    def _forget(self, place: int) -> None:
        for index in set(self.network.steps[place].inputs):
            if self._last_use[index] == place:
                del self._values[index], self._sizes[index]
