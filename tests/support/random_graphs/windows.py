"""Operators with sliding windows: convolutions and pools."""

from __future__ import annotations

from math import sqrt
from typing import Any

from tests.support.random_graphs.draft import Draft, Tensor

_MAX_POOL_DILATES = 10
_AVERAGE_POOL_DILATES = 19
_LP_POOL_DILATES = 18
_CEIL_MODE = 10


def conv(draft: Draft, x: Tensor) -> str:
    """Conv along one or two axes."""
    draft.need(x.rank in (3, 4))
    spatial = x.rank - 2
    kernel, strides = draft.integers(1, 3, spatial), draft.integers(1, 2, spatial)
    dilations = draft.integers(1, 2, spatial) if draft.chance(0.4) else [1] * spatial
    group = draft.pick([n for n in range(1, x.shape[0] + 1) if x.shape[0] % n == 0])
    maps = group * draft.integer(1, 3)
    shape = [maps, x.shape[0] // group, *kernel]
    attributes = draft.sparse(
        group=(group, 1),
        dilations=(dilations, [1] * spatial),
        strides=(strides, [1] * spatial),
        kernel_shape=(kernel, kernel),
    )
    attributes |= _padding(draft, [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)])
    return draft.add("Conv", [x, *_weights(draft, shape, maps)], **attributes)


def conv_transpose(draft: Draft, x: Tensor) -> str:
    """ConvTranspose along one or two axes."""
    draft.need(x.rank in (3, 4))
    spatial = x.rank - 2
    kernel, strides = draft.integers(1, 3, spatial), draft.integers(1, 3, spatial)
    dilations = draft.integers(1, 2, spatial) if draft.chance(0.3) else [1] * spatial
    group = draft.pick([n for n in range(1, x.shape[0] + 1) if x.shape[0] % n == 0])
    maps = draft.integer(1, 2)
    extra = [
        draft.integer(0, max(s, d) - 1) if draft.chance(0.4) else 0
        for s, d in zip(strides, dilations, strict=True)
    ]
    attributes = draft.sparse(
        group=(group, 1),
        dilations=(dilations, [1] * spatial),
        strides=(strides, [1] * spatial),
        kernel_shape=(kernel, kernel),
        output_padding=(extra, [0] * spatial),
    )
    wide = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    if draft.chance(0.2):
        whole = [
            s * (n - 1) + e + w
            for s, n, e, w in zip(strides, x.shape[1:], extra, wide, strict=True)
        ]
        attributes["output_shape"] = [n - draft.integer(0, min(n - 1, 2)) for n in whole]
        attributes |= draft.sparse(auto_pad=(draft.pick(["NOTSET", "SAME_UPPER"]), "NOTSET"))
    else:
        attributes |= _padding(draft, wide)
    shape = [x.shape[0], maps, *kernel]
    return draft.add("ConvTranspose", [x, *_weights(draft, shape, maps * group)], **attributes)


def max_pool(draft: Draft, x: Tensor) -> str:
    """MaxPool with any window."""
    return draft.add("MaxPool", [x], **_pool(draft, x, _MAX_POOL_DILATES))


def average_pool(draft: Draft, x: Tensor) -> str:
    """AveragePool with any window, the padding counted or not."""
    attributes = _pool(draft, x, _AVERAGE_POOL_DILATES)
    attributes |= draft.sparse(count_include_pad=(draft.integer(0, 1), 0))
    return draft.add("AveragePool", [x], **attributes)


def lp_pool(draft: Draft, x: Tensor) -> str:
    """LpPool of absolute values."""
    attributes = _pool(draft, x, _LP_POOL_DILATES, _LP_POOL_DILATES)
    return draft.add("LpPool", [x], p=1, **attributes)


def global_lp_pool(draft: Draft, x: Tensor) -> str:
    """GlobalLpPool of absolute values."""
    draft.need(x.rank > 2)
    return draft.add("GlobalLpPool", [x], p=1)


def global_max_pool(draft: Draft, x: Tensor) -> str:
    """GlobalMaxPool."""
    draft.need(x.rank > 2)
    return draft.add("GlobalMaxPool", [x])


def global_average_pool(draft: Draft, x: Tensor) -> str:
    """GlobalAveragePool."""
    draft.need(x.rank > 2)
    return draft.add("GlobalAveragePool", [x])


def _weights(draft: Draft, shape: list[int], maps: int) -> list[str]:
    """The weight and, as often as not, the bias."""
    fan_in = max(1, draft.pick([shape[1], shape[0]]) * shape[2])
    weights = [draft.constant(draft.normal(*shape, scale=1 / sqrt(fan_in)))]
    if draft.chance(0.6):
        weights.append(draft.constant(draft.normal(maps, scale=0.3)))
    return weights


def _pool(
    draft: Draft, x: Tensor, dilates_since: int, ceil_since: int = _CEIL_MODE
) -> dict[str, Any]:
    draft.need(x.rank in (3, 4))
    spatial = x.rank - 2
    kernel, strides = draft.integers(1, 3, spatial), draft.integers(1, 3, spatial)
    attributes = draft.sparse(strides=(strides, [1] * spatial))
    dilations = [1] * spatial
    if draft.opset >= dilates_since:
        dilations = draft.integers(1, 2, spatial) if draft.chance(0.4) else dilations
        attributes |= draft.sparse(dilations=(dilations, [1] * spatial))
    if draft.opset >= ceil_since:
        attributes |= draft.sparse(ceil_mode=(draft.integer(0, 1), 0))
    padding = _padding(draft, kernel)
    same = str(padding.get("auto_pad")).startswith("SAME")
    edges = padding.get("pads", [0] * (2 * spatial))
    for axis, extent in enumerate(x.shape[1:]):
        stride, wide = strides[axis], dilations[axis] * (kernel[axis] - 1) + 1
        if same:  # where the rule would have to crop, ONNX Runtime sometimes does and sometimes not
            draft.need((extent - 1) // stride * stride + kernel[axis] >= extent)
            draft.need(kernel[axis] == wide or wide <= extent)  # it goes by the kernel undilated
        elif not attributes.get("ceil_mode"):  # it pools all the same, the standard does not
            draft.need(wide <= extent + edges[axis] + edges[axis + spatial])
    return {"kernel_shape": kernel, **attributes, **padding}


def _padding(draft: Draft, window: list[int]) -> dict[str, Any]:
    """No padding, a number for every edge, or a rule; always less than the window."""
    if draft.chance(0.25):
        return {"auto_pad": draft.pick(["SAME_UPPER", "SAME_LOWER", "VALID"])}
    pads = [min(draft.integer(0, 2), extent - 1) for extent in window * 2]
    if draft.chance(0.4):
        pads = [(extent - 1) // 2 for extent in window * 2]
    rule = draft.sparse(auto_pad=("NOTSET", "NOTSET")) if draft.chance(0.3) else {}
    return rule | draft.sparse(pads=(pads, [0] * len(pads)))
