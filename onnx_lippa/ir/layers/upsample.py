"""Upsample, which Resize replaced."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.node import Attribute, Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.resampled import resampled
from onnx_lippa.ir.layers.resize import scaled_axes
from onnx_lippa.ir.layers.sampling import Sampling


@converts("Upsample", since=7)
def convert_attribute(node: NodeView) -> Converted:
    """Scales stated by an attribute."""
    scales: Attribute | None = node.attributes.get("scales")
    if not isinstance(scales, list) or any(isinstance(scale, str) for scale in scales):
        raise Unsupported("its attribute scales must be a list of numbers")
    return _upsampled(node, np.array(scales, dtype=np.float32))


@converts("Upsample", since=9)
def convert(node: NodeView) -> Converted:
    """Constant scales."""
    return _upsampled(node, node.known(1, "scales").weight.ravel().astype(np.float32))


def _upsampled(node: NodeView, scales: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Converted:
    if np.any(scales < 1):
        raise Unsupported(f"its scales {scales.tolist()} are below 1")
    axes = scaled_axes(node.computed().whole, scales)
    return resampled(node, Sampling(node.text("mode", "nearest")), axes)
