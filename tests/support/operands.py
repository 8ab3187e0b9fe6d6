"""Shapes of constants that meet a sample, for the elementwise operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from hypothesis import strategies as st

from onnx_lippa.errors import UnsupportedModelError
from tests.support.graphs import graph_model, load_model, node, normal, one_op
from tests.support.layers import check_model

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


Shape = tuple[int, ...]


def computed(*shapes: Shape) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray], list[str]]:
    """Nodes that make tensors of these sample shapes from three inputs, and their names."""
    nodes, constants, names = [], {}, []
    for place, shape in enumerate(shapes):
        name = f"p{place}"
        size = int(np.prod(shape))
        constants[f"{name}_w"] = normal(place, 3, size).reshape(3, size)
        constants[f"{name}_s"] = np.array([-1, *shape])
        nodes += [
            node("MatMul", f"x {name}_w", f"{name}_f"),
            node("Reshape", f"{name}_f {name}_s", name),
        ]
        names.append(name)
    return nodes, constants, names


def together(
    op: str,
    shapes: Sequence[Shape],
    constants: Sequence[Shape | np.ndarray] = (),
    *,
    constants_first: bool = False,
    opset: int = 17,
    flatten: bool = True,
) -> onnx.ModelProto:
    """The operator on computed tensors of these shapes, and on constants."""
    nodes, weights, names = computed(*shapes)
    extra = []
    for place, constant in enumerate(constants):
        given = isinstance(constant, np.ndarray)
        value = constant if given else normal(10 + place, *constant).reshape(constant)
        weights[f"c{place}"] = np.asarray(value)
        extra.append(f"c{place}")
    inputs = [*extra, *names] if constants_first else [*names, *extra]
    nodes.append(node(op, inputs, "t" if flatten else "y"))
    if flatten:
        nodes.append(node("Flatten", "t", "y"))
    return graph_model(nodes, (3,), weights, opset=opset)


COMPUTED = [
    [(4,)],
    [(4,), (4,)],
    [(4,), (4,), (4,)],
    [(2, 3), (1, 3)],
    [(2, 1), (1, 3), (2, 3)],
    [(1,), (4,)],
    [(1, 1), (2, 2), (1, 2)],
]
"""Sample shapes that broadcast, the batch axes aligned."""

DIFFERENT_RANKS = [[(2, 3), (3,)], [(3,), (2, 3), (1, 1)], [(1,), (2, 2, 2)]]
"""Sample shapes where the batch axis of one meets a feature axis of another."""

MIXED = [
    ([(4,)], [()]),
    ([(4,)], [(4,)]),
    ([(4,)], [(1, 4)]),
    ([(4,)], [(4,), (1,), ()]),
    ([(2, 3)], [(2, 1), (1, 3)]),
    ([(1, 3)], [(2, 3)]),
    ([(1,)], [(1, 4)]),
    ([(2, 1)], [(1, 3), (1, 1, 1)]),
    ([(4,), (4,)], [(4,)]),
    ([(2, 1), (1, 3)], [(), (2, 3)]),
    ([(1, 1), (2, 1)], [(2, 3)]),
]
"""(computed, constants) that broadcast, the batch axis left alone."""

MIXED_ALONE = [([(3,)], [(2, 3)]), ([(2, 3)], [(4, 1, 1)]), ([(3,), (3,)], [(2, 1, 3)])]
"""(computed, constants) where a constant meets the batch axis."""


LARGEST = {1: 8, 2: 5, 3: 3}
MODES = ["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]
REASONS = ("in the padding", "larger than the padded input", "larger than its kernel")


@st.composite
def pools(draw, dilates=True):
    """A sample and the attributes of a pool; some leave no place for the window."""
    spatial = draw(st.sampled_from((1, 2, 2, 3)))

    def axes(low, high):
        return [draw(st.integers(low, high)) for _ in range(spatial)]

    kernel, extents = axes(1, 3), axes(1, LARGEST[spatial])
    attributes = {"kernel_shape": kernel, "strides": axes(1, 4)}
    mode = draw(st.sampled_from(MODES))
    if mode == "NOTSET":
        attributes["pads"] = [draw(st.integers(0, extent - 1)) for extent in kernel * 2]
    else:
        attributes["auto_pad"] = mode
    if dilates and draw(st.booleans()):
        attributes["dilations"] = axes(1, 3)
    attributes["ceil_mode"] = draw(st.integers(0, 1))
    return (draw(st.integers(1, 2)), *extents), attributes


def check_pool(op, pool, batches, **further):
    """Checks a drawn pool, or that it is refused for a good reason."""
    sample, attributes = pool
    model = one_op(op, sample, **attributes, **further)
    try:
        load_model(model)
    except UnsupportedModelError as error:
        (problem,) = error.problems
        assert any(words in problem.reason for words in REASONS)
    else:
        check_model(model, batches)


def two_summands(left: tuple[int, ...], right: tuple[int, ...], op: str = "Add") -> onnx.ModelProto:
    """Two products with a scalar input each, reshaped, then joined by the operator."""
    sizes = {"left": left, "right": right}
    nodes, constants = [], {}
    for name, shape in sizes.items():
        constants[f"{name}_w"] = normal(len(shape), 2, *shape).reshape(2, -1)
        constants[f"{name}_s"] = np.array([-1, *shape])
        nodes += [
            node("MatMul", f"x {name}_w", f"{name}_p"),
            node("Relu", f"{name}_p", f"{name}_z"),
            node("Reshape", f"{name}_z {name}_s", name),
        ]
    nodes += [node(op, "left right", "t"), node("Flatten", "t", "y")]
    return graph_model(nodes, (2,), constants)
