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
        self._last_use = {
            i: number for number, step in enumerate(network.steps) for i in step.inputs
        }

    def operand(self, step: Step) -> Interval:
        """Bounds of the operand of a piecewise-linear step."""
        return self._values[step.inputs[0]].bounded()

    def sizes(self, index: int) -> Float64:
        """Sizes (n, units) of a value with steps to come that take it."""
        return self._sizes[index].reshape(self.sets.count, -1)

    def propagate(self, number: int, x: Interval | None = None) -> None:
        """Propagates through a step, given bounds of the operand if it is piecewise linear.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        require_time(self._deadline)
        step = self.network.steps[number]
        if isinstance(step.layer, AffineLayer):
            around = [Interval(-self._sizes[i], self._sizes[i]) for i in step.inputs]
            z = step.layer.forward(_ALGEBRA, *(self._values[i] for i in step.inputs))
            sizes = step.layer.forward(_ALGEBRA, *around).size
        elif isinstance(step.layer, PiecewiseLayer) and x is not None:
            z = bound_output(step.layer, x)
            sizes = z.size
        else:
            raise TypeError(f"no bounds for {type(step.layer).__name__}")
        self._values[number + 1], self._sizes[number + 1] = z, sizes
        for index in set(step.inputs):
            if self._last_use[index] == number:
                del self._values[index], self._sizes[index]
