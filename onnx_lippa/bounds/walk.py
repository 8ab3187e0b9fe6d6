"""Intervals of a network's values, step by step."""

from __future__ import annotations

from typing import Final, final

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.interval import Interval, IntervalAlgebra
from onnx_lippa.bounds.ranges import range_of
from onnx_lippa.bounds.sets import InputSets
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network, Step

_ALGEBRA: Final = IntervalAlgebra()


@final
class Walk:
    """Bounds of the values of a network for several input sets, from the first to the last.

    The sizes of an affine value are |A| |x| + |c| for the values x that it is affine in: what the
    terms of any linear function of it sum up to, which rounding is relative to.

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
        """Bounds of what a piecewise step takes."""
        return self._values[step.inputs[0]].known()

    def value(self, index: int) -> Interval:
        """Bounds of a value that is still needed."""
        return self._values[index]

    def sizes(self, index: int) -> Float64:
        """Sizes (n, units) of a value that is still needed."""
        return self._sizes[index].reshape(self.sets.count, -1)

    def pass_affine(self, place: int) -> None:
        """Takes an affine step.

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

    def pass_piecewise(self, place: int, x: Interval) -> None:
        """Takes a piecewise step, with these bounds of its operand.

        Raises:
            OutOfTimeError: the deadline has passed.
        """
        require_time(self._deadline)
        step = self.network.steps[place]
        if not isinstance(step.layer, PiecewiseLayer):
            raise TypeError(f"{type(step.layer).__name__} is not piecewise linear")
        z = range_of(step.layer, x)
        self._values[place + 1], self._sizes[place + 1] = z, z.size
        self._forget(place)

    def _forget(self, place: int) -> None:
        for index in set(self.network.steps[place].inputs):
            if self._last_use[index] == place:
                del self._values[index], self._sizes[index]
