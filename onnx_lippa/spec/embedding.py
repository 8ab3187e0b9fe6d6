"""A norm's ball, or its epigraph, written with linear constraints."""

from __future__ import annotations

from dataclasses import dataclass

import scipy.sparse as sp

from onnx_lippa.arrays import Float64


@dataclass(frozen=True)
class Embedding:
    """Inputs as a linear image of bounded variables: ``x = offset + matrix @ v``.

    The set described is ``{x : lower <= v <= upper, row_lower <= rows @ v <= row_upper}``, with
    ``||v[:d]||_2 <= radius`` besides where a radius is given.

    Attributes:
        offset: (d,) the input at ``v = 0``.
        matrix: sparse (d, variables).
        lower: (variables,) lower bounds.
        upper: (variables,) upper bounds.
        rows: sparse (m, variables) linear constraints.
        row_lower: (m,) their lower sides.
        row_upper: (m,) their upper sides.
        cost: (variables,) linear part of the distance; zero in margin mode.
        quadratic_cost: (variables,) diagonal of the quadratic part of the distance, or None.
        radius: Euclidean radius, or None.
    """

    offset: Float64
    matrix: sp.csr_array
    lower: Float64
    upper: Float64
    rows: sp.csr_array
    row_lower: Float64
    row_upper: Float64
    cost: Float64
    quadratic_cost: Float64 | None = None
    radius: float | None = None
