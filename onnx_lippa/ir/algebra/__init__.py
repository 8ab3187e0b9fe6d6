"""The few array operations in which every layer states its mathematics.

A layer is written once, over an :class:`Algebra`. Evaluated by :class:`NumpyAlgebra` it gives
numbers; evaluated by the ONNX algebra of ``onnx_io`` it gives the nodes of a graph.
"""

from onnx_lippa.ir.algebra.base import Algebra, ConvGeometry, V
from onnx_lippa.ir.algebra.numpy_algebra import NumpyAlgebra

__all__ = ["Algebra", "ConvGeometry", "NumpyAlgebra", "V"]
