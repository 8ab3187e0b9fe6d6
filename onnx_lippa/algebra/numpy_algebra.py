"""The algebra that computes: NumPy arrays in the precision it is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from onnx_lippa.algebra.base import Algebra, ConvGeometry
from onnx_lippa.arrays import AnyArray, Float64, Integers, Shape, size


class NumpyAlgebra(Algebra[AnyArray]):
    """Evaluates in one floating-point type (float64 unless told otherwise)."""

    def __init__(self, dtype: type[np.floating] = np.float64) -> None:
        self._dtype = np.dtype(dtype)

    def _constant(self, constant: Float64) -> AnyArray:
        return constant.astype(self._dtype, copy=False)

    def add(self, left: AnyArray, right: AnyArray) -> AnyArray:
        """See :meth:`Algebra.add`."""
        return np.add(left, right)

    def add_constant(self, x: AnyArray, constant: Float64) -> AnyArray:
        """See :meth:`Algebra.add_constant`."""
        return np.add(*_aligned(x, self._constant(constant)))

    def scale(self, x: AnyArray, constant: Float64) -> AnyArray:
        """See :meth:`Algebra.scale`."""
        return np.multiply(*_aligned(x, self._constant(constant)))

    def matmul(self, x: AnyArray, weight: Float64) -> AnyArray:
        """See :meth:`Algebra.matmul`."""
        return np.matmul(x, self._constant(weight))

    def left_matmul(self, weight: Float64, x: AnyArray) -> AnyArray:
        """See :meth:`Algebra.left_matmul`."""
        return np.matmul(self._constant(weight), x)

    def conv(self, x: AnyArray, weight: Float64, geometry: ConvGeometry) -> AnyArray:
        """See :meth:`Algebra.conv`; one matrix product per group over unrolled windows."""
        padded = np.pad(x, ((0, 0), (0, 0), *geometry.pads))
        windows = _windows(padded, geometry)
        n, _, *places = windows.shape[: 2 + len(geometry.kernel)]
        maps = weight.shape[0]
        outputs = []
        for group, part in _groups(weight, geometry):
            taps = part.reshape(part.shape[0], -1)
            block = windows[:, group * part.shape[1] : (group + 1) * part.shape[1]]
            spatial = len(places)
            # (n, *places, channels, *kernel): every window one row.
            order = (0, *range(2, 2 + spatial), 1, *range(2 + spatial, 2 + 2 * spatial))
            rows = block.transpose(order).reshape(-1, taps.shape[1])
            outputs.append((rows @ self._constant(taps).T).reshape(n, *places, part.shape[0]))
        joined = np.concatenate(outputs, axis=-1) if len(outputs) > 1 else outputs[0]
        return np.ascontiguousarray(np.moveaxis(joined, -1, 1)).reshape(n, maps, *places)

    def conv_transpose(
        self, u: AnyArray, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> AnyArray:
        """See :meth:`Algebra.conv_transpose`; every window's share is added back in place."""
        n, places = u.shape[0], u.shape[2:]
        channels = weight.shape[1] * geometry.groups
        padded = np.zeros(
            (n, channels, *(e + b + a for e, (b, a) in zip(extents, geometry.pads, strict=True))),
            dtype=u.dtype,
        )
        maps_per_group = weight.shape[0] // geometry.groups
        for group, part in _groups(weight, geometry):
            mine = np.moveaxis(u[:, group * maps_per_group : (group + 1) * maps_per_group], 1, -1)
            shares = mine.reshape(-1, maps_per_group) @ self._constant(
                part.reshape(maps_per_group, -1)
            )
            shares = shares.reshape(n, *places, part.shape[1], *geometry.kernel)
            target = padded[:, group * part.shape[1] : (group + 1) * part.shape[1]]
            for tap in np.ndindex(*geometry.kernel):
                share = np.moveaxis(shares[(..., *tap)], -1, 1)
                target[(slice(None), slice(None), *_reach(tap, places, geometry))] += share
        inner = tuple(
            slice(before, before + extent)
            for extent, (before, _) in zip(extents, geometry.pads, strict=True)
        )
        return padded[(slice(None), slice(None), *inner)]

    def reshape(self, x: AnyArray, shape: Shape) -> AnyArray:
        """See :meth:`Algebra.reshape`."""
        return x.reshape(x.shape[0], *shape)

    def permute(self, x: AnyArray, axes: tuple[int, ...]) -> AnyArray:
        """See :meth:`Algebra.permute`."""
        return x.transpose(0, *(axis + 1 for axis in axes))

    def take(self, x: AnyArray, axis: int, extent: int, indices: Integers) -> AnyArray:
        """See :meth:`Algebra.take`."""
        taken = np.take(x, np.maximum(indices, 0), axis=axis + 1)
        if np.any(indices < 0):
            taken[(slice(None),) * (axis + 1) + (indices < 0,)] = 0
        return taken

    def concatenate(self, parts: Sequence[AnyArray], axis: int) -> AnyArray:
        """See :meth:`Algebra.concatenate`."""
        return np.concatenate(parts, axis=axis + 1)

    def broadcast(self, x: AnyArray, shape: Shape) -> AnyArray:
        """See :meth:`Algebra.broadcast`."""
        return np.broadcast_to(x, (x.shape[0], *shape))

    def sum_to(self, u: AnyArray, source: Shape, shape: Shape) -> AnyArray:
        """See :meth:`Algebra.sum_to`."""
        padded = (1,) * (len(source) - len(shape)) + shape
        axes = tuple(
            i + 1 for i, (s, t) in enumerate(zip(source, padded, strict=True)) if t == 1 != s
        )
        total = u.sum(axis=axes, keepdims=True) if axes else u
        return total.reshape(u.shape[0], *shape)

    def relu(self, x: AnyArray) -> AnyArray:
        """See :meth:`Algebra.relu`."""
        return np.maximum(x, 0)

    def maximum(self, x: AnyArray, axis: int) -> AnyArray:
        """See :meth:`Algebra.maximum`."""
        return x.max(axis=axis + 1)

    def at_least(self, x: AnyArray, threshold: Float64) -> AnyArray:
        """See :meth:`Algebra.at_least`."""
        return x >= self._constant(threshold)

    def argmax(self, x: AnyArray, axis: int) -> AnyArray:
        """See :meth:`Algebra.argmax`."""
        return x.argmax(axis=axis + 1).astype(np.int32)

    def one_hot(self, positions: AnyArray, shape: Shape, axis: int) -> AnyArray:
        """See :meth:`Algebra.one_hot`."""
        places = np.arange(shape[axis], dtype=np.int32)
        column = places.reshape(-1, *(1,) * (len(shape) - axis - 1))
        return np.expand_dims(positions, axis + 1) == column

    def where(self, condition: AnyArray, if_true: AnyArray, if_false: AnyArray) -> AnyArray:
        """See :meth:`Algebra.where`."""
        return np.where(condition, if_true, if_false)

    def mask(self, condition: AnyArray, x: AnyArray) -> AnyArray:
        """See :meth:`Algebra.mask`."""
        return np.where(condition, x, x.dtype.type(0))


def _aligned(x: AnyArray, constant: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Gives x singleton axes behind its batch axis where the constant has the higher rank."""
    missing = constant.ndim - (x.ndim - 1)
    if missing > 0:
        x = x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:])
    return x, constant


def _groups(weight: Float64, geometry: ConvGeometry) -> list[tuple[int, Float64]]:
    maps = weight.shape[0] // geometry.groups
    return [(g, weight[g * maps : (g + 1) * maps]) for g in range(geometry.groups)]


def _windows(padded: AnyArray, geometry: ConvGeometry) -> AnyArray:
    """Every position of the kernel: (n, channels, *places, *kernel), a view."""
    spans = tuple(d * (k - 1) + 1 for d, k in zip(geometry.dilations, geometry.kernel, strict=True))
    spatial = len(spans)
    view = sliding_window_view(padded, spans, axis=tuple(range(2, 2 + spatial)))
    steps = tuple(slice(None, None, s) for s in geometry.strides)
    taps = tuple(slice(None, None, d) for d in geometry.dilations)
    return view[(slice(None), slice(None), *steps, *taps)]


def _reach(
    tap: tuple[int, ...], places: tuple[int, ...], geometry: ConvGeometry
) -> tuple[slice, ...]:
    """The padded positions that one tap of the kernel meets over all places."""
    return tuple(
        slice(t * d, t * d + s * (p - 1) + 1, s)
        for t, d, s, p in zip(tap, geometry.dilations, geometry.strides, places, strict=True)
    )


def identity_batch(shape: Shape) -> Float64:
    """One unit vector of the sample space per batch row: (size, *shape)."""
    return np.eye(size(shape)).reshape(size(shape), *shape)
