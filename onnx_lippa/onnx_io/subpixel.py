"""The transpose of a strided convolution as an ordinary convolution.

With stride s, position ``s m + r`` of the (padded) input only meets the kernel's taps r, r + s,
r + 2 s, ...: for each residue r the transpose is a small convolution of u at stride 1. All
residues together are one convolution with s*s times the channels, whose maps are then
interleaved. Runtimes have much faster kernels for Conv than for ConvTranspose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.algebra import ConvGeometry


@dataclass(frozen=True)
class SubPixel:
    """A convolution followed by interleaving (as DepthToSpace in mode CRD) and a crop.

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
    """The form of a transposed convolution, None where it has none (or none that is faster).

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
