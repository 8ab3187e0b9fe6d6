"""Layers: one file per ONNX operator, the layer and its converter together.

To add an operator, write its file here: a layer that states its mathematics over an
:class:`~onnx_lippa.ir.algebra.Algebra` and a function decorated with
:func:`~onnx_lippa.ir.layers.registry.converts`. Every module of this package is imported below, so
there is no list to extend.
"""

from importlib import import_module
from pkgutil import iter_modules

from onnx_lippa.ir.layers.base import AffineLayer, Layer, PiecewiseLayer, Split
from onnx_lippa.ir.layers.node import Computed, Known, NodeView, Operand, Unsupported
from onnx_lippa.ir.layers.registry import Converter, converter_for, supported_ops

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "AffineLayer",
    "Computed",
    "Converter",
    "Known",
    "Layer",
    "NodeView",
    "Operand",
    "PiecewiseLayer",
    "Split",
    "Unsupported",
    "converter_for",
    "supported_ops",
]
