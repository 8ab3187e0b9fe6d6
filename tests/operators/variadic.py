"""Models of operators that take any number of tensors which broadcast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from tests.graphs import graph_model, node, normal

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
        value = constant
        if not isinstance(constant, np.ndarray):
            value = normal(10 + place, *constant).reshape(constant)
        weights[f"c{place}"] = value
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
