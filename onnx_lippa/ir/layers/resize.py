"""Resize: nearest entries, or interpolation along one axis after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from onnx_lippa.arrays import Float32, Shape
from onnx_lippa.ir.layers.coordinates import CROPPING, Axis
from onnx_lippa.ir.layers.frame import normal_axes
from onnx_lippa.ir.layers.node import Converted, Known, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.resampled import resampled
from onnx_lippa.ir.layers.sampling import Sampling

_POLICIES = ("stretch", "not_larger", "not_smaller")

_MOST_PLACES = 2.0**31
"""Extent that no axis has; larger products do not fit into float32 and integers alike."""


@converts("Resize", since=10)
def convert_simple(node: NodeView) -> Converted:
    """Constant scales, and nothing else to choose than the mode."""
    axes = scaled_axes(node.computed().whole, _scales(node.known(1, "scales")))
    return resampled(node, Sampling(node.text("mode", "nearest")), axes)


@converts("Resize", since=11)
def convert(node: NodeView) -> Converted:
    """Constant scales or sizes, of some axes only where these are named (from opset 18 on)."""
    x = node.computed()
    chosen = normal_axes(node.integers("axes", tuple(range(x.rank))), x.rank)
    scales, sizes = _given(node, 2, "scales"), _given(node, 3, "sizes")
    if (scales is None) == (sizes is None):
        raise Unsupported("it needs either scales or sizes")
    if scales is not None:
        factors = np.ones(x.rank, dtype=np.float32)
        _check_count(scales.value.size, len(chosen), "scales")
        factors[list(chosen)] = _scales(scales)
        axes = scaled_axes(x.whole, factors)
    elif sizes is not None:
        _check_count(sizes.value.size, len(chosen), "sizes")
        policy = node.text("keep_aspect_ratio_policy", "stretch")
        axes = _sized_axes(x.whole, dict(zip(chosen, sizes.integers, strict=True)), policy)
    sampling = Sampling(
        node.text("mode", "nearest"),
        node.text("coordinate_transformation_mode", "half_pixel"),
        node.text("nearest_mode", "round_prefer_floor"),
        float(np.float32(node.number("cubic_coeff_a", -0.75))),
        node.integer("exclude_outside", 0) != 0,
        node.integer("antialias", 0) != 0,
    )
    if sampling.coordinates == CROPPING:
        if sampling.antialias:
            raise Unsupported("antialias with tf_crop_and_resize is not supported")
        region = _scales(node.known(1, "region"))
        _check_count(len(region), 2 * len(chosen), "region")
        for axis, start, end in zip(chosen, *np.split(region, 2), strict=True):
            axes[axis] = replace(axes[axis], start=start, end=end)
    value = float(np.float32(node.number("extrapolation_value", 0.0)))
    return resampled(node, sampling, axes, value)


def scaled_axes(shape: Shape, scales: Float32) -> list[Axis]:
    """Every axis of a tensor, each scaled by its factor and cut off."""
    if len(scales) != len(shape):
        raise Unsupported(f"its {len(scales)} scales do not fit a tensor of rank {len(shape)}")
    if not np.all(scales > 0):
        raise Unsupported(f"its scales {scales.tolist()} are not positive")
    places = [float(scale) * extent for extent, scale in zip(shape, scales, strict=True)]
    if max(places, default=0.0) > _MOST_PLACES:
        raise Unsupported(f"its scales {scales.tolist()} are too large for a tensor of {shape}")
    return [
        Axis(extent, int(scale * np.float32(extent)), scale)
        for extent, scale in zip(shape, scales, strict=True)
    ]


def _sized_axes(shape: Shape, wanted: Mapping[int, int], policy: str) -> list[Axis]:
    """Every axis of a tensor, with the sizes that are wanted or those that keep its form."""
    if policy not in _POLICIES:
        raise Unsupported(f"its keep_aspect_ratio_policy '{policy}' is unknown")
    places = {axis: wanted.get(axis, extent) for axis, extent in enumerate(shape)}
    scales = {axis: np.float32(places[axis]) / np.float32(shape[axis]) for axis in places}
    if policy != "stretch" and wanted:
        fit = min if policy == "not_larger" else max
        scale = fit(scales[axis] for axis in wanted)
        for axis in wanted:
            scales[axis] = scale
            places[axis] = int(np.floor(float(scale * np.float32(shape[axis])) + 0.5))
    return [Axis(extent, places[axis], scales[axis]) for axis, extent in enumerate(shape)]


def _given(node: NodeView, position: int, meaning: str) -> Known | None:
    """A constant input; an empty one counts as left out."""
    known = node.optional(position, meaning)
    return None if known is None or known.value.size == 0 else known


def _scales(known: Known) -> Float32:
    return known.weight.ravel().astype(np.float32)


def _check_count(count: int, wanted: int, meaning: str) -> None:
    if count != wanted:
        raise Unsupported(f"its {meaning} have {count} entries, not {wanted}")
