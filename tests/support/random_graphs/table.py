"""How often each family of operators is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tests.support.random_graphs import (
    activations,
    arithmetic,
    chains,
    comparisons,
    dense,
    frames,
    reductions,
    selection,
    shapes,
    windows,
)
from tests.support.random_graphs.draft import Draft, Tensor

Family: TypeAlias = Callable[[Draft, Tensor], str | list[str]]

WEIGHTS: dict[Family, float] = {
    activations.relu: 8,
    activations.leaky_relu: 3,
    activations.prelu: 3,
    activations.clip: 3,
    activations.absolute: 2,
    activations.hard_sigmoid: 2,
    arithmetic.add_two: 8,
    arithmetic.sub_two: 4,
    arithmetic.add_constant: 2,
    arithmetic.sub_constant: 2,
    arithmetic.mul_constant: 2,
    arithmetic.div_constant: 2,
    arithmetic.negative: 2,
    arithmetic.maximum: 4,
    arithmetic.minimum: 4,
    arithmetic.total: 2,
    arithmetic.mean: 2,
    arithmetic.where: 3,
    arithmetic.concat: 5,
    comparisons.leaky_by_where: 1,
    comparisons.clip_by_where: 1,
    comparisons.extreme_by_where: 1,
    comparisons.chosen_by_where: 1.5,
    comparisons.masked_by_truth: 1.5,
    dense.gemm: 6,
    dense.matmul_right: 4,
    dense.matmul_left: 2,
    dense.matmul_sparse: 1,
    dense.einsum: 3,
    dense.batch_normalization: 3,
    windows.conv: 10,
    windows.conv_transpose: 5,
    windows.max_pool: 7,
    windows.average_pool: 5,
    windows.lp_pool: 1.5,
    windows.global_lp_pool: 0.7,
    windows.global_max_pool: 1.5,
    windows.global_average_pool: 1.5,
    reductions.reduce_sum: 1.5,
    reductions.reduce_mean: 1.5,
    reductions.reduce_max: 1.5,
    reductions.reduce_min: 1.5,
    reductions.reduce_l1: 1,
    reductions.cum_sum: 1.5,
    shapes.reshape: 3,
    shapes.flatten: 2,
    shapes.squeeze: 2,
    shapes.unsqueeze: 2,
    shapes.transpose: 3,
    shapes.depth_to_space: 3,
    shapes.space_to_depth: 8,
    shapes.identity: 1,
    shapes.cast: 1,
    shapes.cast_like: 1,
    shapes.dropout: 1,
    selection.split: 4,
    selection.slice_: 4,
    selection.gather: 3,
    selection.gather_elements: 2,
    selection.gather_nd: 2,
    selection.scatter_elements: 4,
    selection.scatter_nd: 2,
    selection.compress: 1.5,
    selection.trilu: 1,
    selection.pad: 4,
    selection.tile: 2,
    selection.expand: 3,
    selection.resize: 3,
    selection.upsample: 6,
    chains.reshape_by_chain: 1.5,
    chains.reshape_by_product: 1,
    chains.flatten_by_chain: 1,
    chains.constant_of_shape: 1.5,
    chains.expand_by_chain: 1.5,
    chains.resize_by_chain: 4,
    chains.slice_by_chain: 1,
    chains.scale_by_extent: 1,
    frames.batch_behind: 1.5,
    frames.batch_merged: 2,
    frames.batch_gone: 3,
    frames.batch_alone: 1,
}
"""Those that seldom apply weigh more than they would otherwise."""


def weights_named(names: Sequence[str]) -> dict[Family, float]:
    """The families of these names alone.

    Raises:
        ValueError: there is none of a name.
    """
    families = {family.__name__: family for family in WEIGHTS}
    unknown = [name for name in names if name not in families]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: none of {', '.join(families)}")
    return {families[name]: WEIGHTS[families[name]] for name in names}
