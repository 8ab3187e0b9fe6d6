"""Clip, as ReLU6 and HardTanh are exported too."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.bounded import NotAbove, NotBelow
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts

_LARGEST: Final = float(np.finfo(np.float32).max)
"""The default bound of the standard, for which float32 has no larger number."""


@converts("Clip", since=6)
def convert_attributes(node: NodeView) -> Converted:
    """Bounds as attributes; either may be left out or infinite."""
    low, high = node.number("min", -_LARGEST), node.number("max", _LARGEST)
    return Converted(clipped(node.computed().shape, *map(_in_float32, (low, high))))


@converts("Clip", since=11)
def convert(node: NodeView) -> Converted:
    """Bounds as constant inputs; either may be left out or infinite."""
    low, high = _bound(node, 1, "min", -np.inf), _bound(node, 2, "max", np.inf)
    return Converted(clipped(node.computed().shape, low, high))


def clipped(shape: Shape, low: float, high: float) -> tuple[Layer, ...]:
    """The larger of x and ``low``, of which the smaller one of it and ``high``.

    Where the bounds are the wrong way round all is ``high``, as in ONNX Runtime.
    """
    layers: list[Layer] = []
    if low > -_LARGEST:
        layers.append(NotBelow(shape, np.array(low)))
    if high < _LARGEST:
        layers.append(NotAbove(shape, np.array(high)))
    return tuple(layers)


def _bound(node: NodeView, position: int, name: str, default: float) -> float:
    bound = node.optional(position, f"bound {name}")
    if bound is None:
        return default
    value = bound.value
    if value.size != 1 or not np.issubdtype(value.dtype, np.floating) or np.isnan(value).any():
        raise Unsupported(f"its bound {name} must be one number")
    return float(value.ravel()[0])


def _in_float32(bound: float) -> float:
    """An attribute as the runtime reads it; beyond the largest number there is no bound."""
    return float(np.clip(bound, -_LARGEST, _LARGEST).astype(np.float32))
