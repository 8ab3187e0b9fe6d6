"""Forms of gathers and transposed convolutions for which runtimes have faster kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.ir.algebra import ConvGeometry


@dataclass(frozen=True)
class StraightRun:
    """``before`` zeros, ``count`` entries from ``start`` on in steps, ``after`` zeros."""

    before: int
    start: int
    step: int
    count: int
    after: int


def straight_run(indices: Integers) -> StraightRun | None:
    """The run that positions (-1 for a zero) form, None where they form none."""
    real = np.flatnonzero(indices >= 0)
    if real.size == 0 or real[-1] - real[0] + 1 != real.size:
        return None
    taken = indices[real]
    steps = np.diff(taken)
    if steps.size and (np.any(steps != steps[0]) or steps[0] == 0):
        return None
    step = int(steps[0]) if steps.size else 1
    after = len(indices) - int(real[-1]) - 1
    return StraightRun(int(real[0]), int(taken[0]), step, int(real.size), after)


def straight_pieces(indices: Integers, most: int) -> list[Integers] | None:
    """Positions cut into consecutive straight runs, None where these are too many."""
    pieces: list[Integers] = []
    begin = 0
    while begin < len(indices):
        if len(pieces) == most:
            return None
        end = begin + _straight_length(indices[begin:])
        pieces.append(indices[begin:end])
        begin = end
    return pieces if all(np.any(piece >= 0) for piece in pieces) else None


def _straight_length(indices: Integers) -> int:
    """The number of leading positions that form one straight run with the zeros around it."""
    real = np.flatnonzero(indices >= 0)
    if real.size == 0:
        return len(indices)
    first = int(real[0])
    zeros = np.flatnonzero(indices[first:] < 0)
    run = indices[first : first + int(zeros[0])] if zeros.size else indices[first:]
    steps = np.diff(run)
    broken = np.flatnonzero((steps != steps[:1]) | (steps == 0))
    behind = first + (int(broken[0]) + 1 if broken.size else len(run))
    rest = np.flatnonzero(indices[behind:] >= 0)
    return behind + (int(rest[0]) if rest.size else len(indices) - behind)


@dataclass(frozen=True)
class SubPixel:
    """A transposed convolution of stride s as a convolution, an interleaving and a crop.

    Position ``s m + r`` of the (padded) input only meets the kernel's taps r, r + s, r + 2 s, ...:
    for each residue r the transpose is a small convolution at stride 1. All residues together are
    one convolution with s * s times the channels, whose maps are interleaved as DepthToSpace in
    mode CRD does. Runtimes have much faster kernels for Conv than for ConvTranspose.

    Attributes:
        weight: (channels * s * s, maps, taps, taps) its kernel.
        pads: (before, after) zeros along each spatial axis of u.
        block: the stride s, how many maps are interleaved along each axis.
        places: spatial extents of the convolution's result, before interleaving.
        crop: (start, stop) of the input's extent in the interleaved result, per spatial axis.
    """

    weight: Float64
    pads: tuple[tuple[int, int], ...]
    block: int
    places: tuple[int, int]
    crop: tuple[tuple[int, int], ...]


def sub_pixel(
    weight: Float64, geometry: ConvGeometry, places: tuple[int, ...], extents: tuple[int, ...]
) -> SubPixel | None:
    """The sub-pixel form of a transposed convolution, None where it has none that is faster.

    Args:
        weight: (maps, channels, *kernel) kernel of the forward convolution.
        geometry: how it moves.
        places: spatial extents of its output.
        extents: spatial extents of its input.
    """
    stride = geometry.strides[0]
    if (
        len(extents) != 2
        or geometry.groups != 1
        or any(d != 1 for d in geometry.dilations)
        or any(s != stride for s in geometry.strides)
    ):
        return None
    taps = [-(-size // stride) for size in geometry.kernel]
    maps, channels = weight.shape[:2]
    grown = np.zeros((maps, channels, taps[0] * stride, taps[1] * stride))
    grown[:, :, : geometry.kernel[0], : geometry.kernel[1]] = weight
    # (maps, channels, tap, residue) along each axis; tap j of residue r is tap r + s j.
    split = grown.reshape(maps, channels, taps[0], stride, taps[1], stride)
    flipped = split[:, :, ::-1, :, ::-1, :]
    kernel = flipped.transpose(1, 3, 5, 0, 2, 4).reshape(-1, maps, taps[0], taps[1])
    pads, crop, reached = [], [], []
    for place, extent, tap, (before, _) in zip(places, extents, taps, geometry.pads, strict=True):
        blocks = -(-(before + extent) // stride)
        behind = blocks - place
        if behind < 0:
            return None
        reached.append(blocks)
        pads.append((tap - 1, behind))
        crop.append((before, before + extent))
    height, width = reached
    return SubPixel(np.ascontiguousarray(kernel), tuple(pads), stride, (height, width), tuple(crop))
