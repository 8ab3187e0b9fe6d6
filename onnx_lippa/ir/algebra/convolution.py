"""Convolution in NumPy, and its transpose.

A depthwise kernel is a sum of scaled slices, a kernel of a single tap one matrix product, and any
other a matrix product over unrolled windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from onnx_lippa.arrays import AnyArray, size
from onnx_lippa.ir.algebra.base import ConvGeometry

_Index: TypeAlias = tuple[int | slice | EllipsisType, ...]


def convolve(x: AnyArray, weight: AnyArray, geometry: ConvGeometry) -> AnyArray:
    """Cross-correlation of (n, channels, *extents) with (maps, channels/groups, *kernel)."""
    if any(before or after for before, after in geometry.pads):
        zero = np.zeros(1, x.dtype)  # of Python integers for these
        x = np.pad(x, ((0, 0), (0, 0), *geometry.pads), constant_values=zero)
    places = geometry.without_pads().output_extents(x.shape[2:])
    if _is_depthwise(weight, geometry):
        return _convolve_depthwise(x, weight, geometry, places)
    if _is_matrix(geometry):
        picked = x[_positions((0,) * len(places), places, geometry)]
        flat = picked.reshape(*x.shape[:2], -1)
        return np.matmul(_matrix(weight), flat).reshape(len(x), -1, *places)
    windows = _windows(x, geometry)
    outputs = []
    for group, part in _groups(weight, geometry):
        taps = part.reshape(part.shape[0], -1)
        block = windows[:, group * part.shape[1] : (group + 1) * part.shape[1]]
        spatial = len(places)
        # (n, *places, channels, *kernel): every window one row.
        order = (0, *range(2, 2 + spatial), 1, *range(2 + spatial, 2 + 2 * spatial))
        rows = block.transpose(order).reshape(-1, taps.shape[1])
        outputs.append((rows @ taps.T).reshape(len(x), *places, part.shape[0]))
    joined = np.concatenate(outputs, axis=-1) if len(outputs) > 1 else outputs[0]
    return np.ascontiguousarray(np.moveaxis(joined, -1, 1))


def convolve_transposed(
    u: AnyArray, weight: AnyArray, geometry: ConvGeometry, extents: tuple[int, ...]
) -> AnyArray:
    """The transpose of :func:`convolve` for inputs of these extents, applied to (n, maps, ...)."""
    n, places = len(u), u.shape[2:]
    channels = weight.shape[1] * geometry.groups
    reached = tuple(e + b + a for e, (b, a) in zip(extents, geometry.pads, strict=True))
    padded = np.zeros((n, channels, *reached), dtype=u.dtype)
    if _is_depthwise(weight, geometry):
        _fold_depthwise(u, weight, geometry, padded)
    elif _is_matrix(geometry):
        flat = np.matmul(_matrix(weight).T, u.reshape(n, u.shape[1], -1))
        padded[_positions((0,) * len(places), places, geometry)] = flat.reshape(n, -1, *places)
    else:
        _fold_windows(u, weight, geometry, padded)
    inner: _Index = (
        ...,
        *(
            slice(before, before + extent)
            for extent, (before, _) in zip(extents, geometry.pads, strict=True)
        ),
    )
    return padded[inner]


def _fold_windows(u: AnyArray, weight: AnyArray, geometry: ConvGeometry, padded: AnyArray) -> None:
    """Adds the share of every window at its place (col2im)."""
    n, places = len(u), u.shape[2:]
    for group, part in _groups(weight, geometry):
        maps = len(part)
        mine = np.moveaxis(u[:, group * maps : (group + 1) * maps], 1, -1)
        shares = mine.reshape(-1, maps) @ part.reshape(maps, -1)
        shares = shares.reshape(n, *places, part.shape[1], *geometry.kernel)
        target = padded[:, group * part.shape[1] : (group + 1) * part.shape[1]]
        for tap in np.ndindex(*geometry.kernel):
            where: _Index = (..., *tap)
            share = np.moveaxis(shares[where], -1, 1)
            target[_positions(tap, places, geometry)] += share


def _is_depthwise(weight: AnyArray, geometry: ConvGeometry) -> bool:
    """Whether every map takes one channel, and few slices make it up."""
    if weight.shape[1] != 1:
        return False
    return geometry.groups > 1 or int(np.count_nonzero(weight)) <= size(geometry.kernel)


def _is_matrix(geometry: ConvGeometry) -> bool:
    """Whether the kernel is one matrix of a single tap."""
    return geometry.groups == 1 and set(geometry.kernel) == {1}


def _matrix(weight: AnyArray) -> AnyArray:
    return weight.reshape(weight.shape[:2])


def _convolve_depthwise(
    x: AnyArray, weight: AnyArray, geometry: ConvGeometry, places: tuple[int, ...]
) -> AnyArray:
    each = len(weight) // geometry.groups
    out = np.zeros((len(x), geometry.groups, each, *places), dtype=np.result_type(x, weight))
    for copy, tap, factors in _factors(weight, geometry):
        out[:, :, copy] += factors * x[_positions(tap, places, geometry)]
    return out.reshape(len(x), -1, *places)


def _fold_depthwise(
    u: AnyArray, weight: AnyArray, geometry: ConvGeometry, padded: AnyArray
) -> None:
    places = u.shape[2:]
    split = u.reshape(len(u), geometry.groups, -1, *places)
    for copy, tap, factors in _factors(weight, geometry):
        padded[_positions(tap, places, geometry)] += factors * split[:, :, copy]


def _factors(
    weight: AnyArray, geometry: ConvGeometry
) -> Iterator[tuple[int, tuple[int, ...], AnyArray]]:
    """Each map of a channel with each tap it has, and the factor for every channel there."""
    split = weight.reshape(geometry.groups, -1, *geometry.kernel)
    for copy, *tap in np.argwhere(np.any(split != 0, axis=0)).tolist():
        where: _Index = (slice(None), copy, *tap)
        yield copy, tuple(tap), split[where].reshape(-1, *(1,) * len(geometry.kernel))


def _groups(weight: AnyArray, geometry: ConvGeometry) -> list[tuple[int, AnyArray]]:
    maps = weight.shape[0] // geometry.groups
    return [(g, weight[g * maps : (g + 1) * maps]) for g in range(geometry.groups)]


def _windows(padded: AnyArray, geometry: ConvGeometry) -> AnyArray:
    """Every position of the kernel: (n, channels, *places, *kernel), a view."""
    spatial = tuple(range(2, padded.ndim))
    view = sliding_window_view(padded, geometry.spans, axis=spatial)
    steps = tuple(slice(None, None, s) for s in geometry.strides)
    taps = tuple(slice(None, None, d) for d in geometry.dilations)
    chosen: _Index = (slice(None), slice(None), *steps, *taps)
    return view[chosen]


def _positions(tap: tuple[int, ...], places: tuple[int, ...], geometry: ConvGeometry) -> _Index:
    """The padded positions that one tap of the kernel meets over all places."""
    return (
        ...,
        *(
            slice(t * d, t * d + s * (p - 1) + 1, s)
            for t, d, s, p in zip(tap, geometry.dilations, geometry.strides, places, strict=True)
        ),
    )
