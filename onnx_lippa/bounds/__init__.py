"""Bounds over the tape of layers, for many input sets at once.

Intervals come from the layers' own ``forward``, evaluated in an algebra of intervals; linear
bounds from their own ``transpose``, with lines in place of what is not affine.
"""

from onnx_lippa.bounds.crown import BoundsTooLargeError
from onnx_lippa.bounds.interval import Interval, IntervalAlgebra
from onnx_lippa.bounds.margins import interval_margins, linear_margins
from onnx_lippa.bounds.propagation import Bounds, interval_bounds, linear_bounds
from onnx_lippa.bounds.ranges import range_of, states_within
from onnx_lippa.bounds.relaxation import Lines, lines_of

__all__ = [
    "Bounds",
    "BoundsTooLargeError",
    "Interval",
    "IntervalAlgebra",
    "Lines",
    "interval_bounds",
    "interval_margins",
    "linear_bounds",
    "linear_margins",
    "lines_of",
    "range_of",
    "states_within",
]
