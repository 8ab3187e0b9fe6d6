"""Shapes of constants that meet a sample, for the elementwise operators."""

from __future__ import annotations

from hypothesis import strategies as st

SHAPES = [
    ((3,), ()),
    ((3,), (1,)),
    ((3,), (3,)),
    ((3,), (1, 3)),
    ((3,), (1, 1)),
    ((2, 3), (2, 1)),
    ((2, 3), (1, 2, 3)),
    ((2, 3), (3,)),
    ((2, 3, 2), (2, 1, 1)),
    ((2, 3, 2), (1, 2, 1, 1)),
    ((2, 3, 2), (3, 1)),
]
"""(sample, constant) where the result has the sample's shape."""

ENLARGING = [
    ((1,), (4,)),
    ((1,), (1, 4)),
    ((1, 3), (2, 3)),
    ((1, 3), (2, 1)),
    ((2, 1), (1, 1, 3)),
    ((1, 2, 1), (3, 1, 4)),
    ((1, 1), (3, 2)),
]
"""(sample, constant) where the result is larger than the sample."""

VARYING = [((3,), (5, 3)), ((2, 3), (5, 1, 1)), ((3,), (2, 1, 3)), ((3,), (1, 1, 3))]
"""(sample, constant) that differ along the batch, or add an axis in front of it: for one sample."""


@st.composite
def shapes_that_broadcast(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A sample and a constant that broadcast together, the batch axis left alone."""
    result = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    sample = tuple(draw(st.sampled_from([extent, 1])) for extent in result)
    rank = draw(st.integers(0, len(result)))
    constant = [draw(st.sampled_from([e, 1])) for e in result[len(result) - rank :]]
    if rank == len(result) and draw(st.booleans()):
        constant = [1, *constant]
    return sample, tuple(constant)
