"""The layers of a network: few kinds of map, from which every operator is built.

A layer states its mathematics over an :class:`~onnx_lippa.ir.algebra.Algebra`; nothing here knows
ONNX. An operator's converter, in :mod:`onnx_lippa.onnx_io.operators`, makes layers of a node.
"""

from onnx_lippa.ir.layers.base import AffineLayer, Layer, PiecewiseLayer, Split

__all__ = ["AffineLayer", "Layer", "PiecewiseLayer", "Split"]
