"""Branches and loops whose conditions do not depend on the input, taken and unrolled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import onnx

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import Unsupported
from onnx_lippa.onnx_io.limits import SizeLimits
from onnx_lippa.onnx_io.node import Attribute, Known
from onnx_lippa.onnx_io.sequences import TensorSequence, Value

Body: TypeAlias = Callable[[onnx.GraphProto, Mapping[str, Value]], list[Value]]
"""Imports a subgraph with values for its inputs, and gives its outputs."""


@dataclass(frozen=True)
class ControlNode:
    """A node with subgraphs.

    Attributes:
        operands: its inputs in order.
        graphs: its subgraphs by the name of the attribute.
        attributes: its other attributes by name.
        run: imports one of them.
        limits: how large constants may become.
    """

    operands: tuple[Value, ...]
    graphs: Mapping[str, onnx.GraphProto]
    attributes: Mapping[str, Attribute]
    run: Body
    limits: SizeLimits

    def graph(self, name: str) -> onnx.GraphProto:
        """A subgraph."""
        if name not in self.graphs:
            raise Unsupported(f"its attribute {name} is missing")
        return self.graphs[name]

    def operand(self, place: int) -> Value:
        """An input; None where it is left out."""
        return self.operands[place] if place < len(self.operands) else None

    def integers(self, name: str, default: Sequence[int]) -> list[int]:
        """An attribute that is a list of whole numbers."""
        value = self.attributes.get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(entry, int) for entry in value):
            raise Unsupported(f"its attribute {name} must be a list of integers")
        return [int(entry) for entry in value]

    def bind(self, graph: onnx.GraphProto, values: Sequence[Value]) -> list[Value]:
        """The outputs of a subgraph for the values of its inputs."""
        if len(graph.input) != len(values):
            raise Unsupported(
                f"its body takes {len(graph.input)} tensors, and is given {len(values)}"
            )
        names = [value.name for value in graph.input]
        return self.run(graph, dict(zip(names, values, strict=True)))

    def stacked(self, values: Sequence[Value], axis: int = 0) -> Known:
        """Constants of one shape along a new axis."""
        arrays = [value.value for value in values if isinstance(value, Known)]
        if not arrays or len(arrays) != len(values):
            raise Unsupported("what it collects must be constants, and at least one")
        if sum(array.nbytes for array in arrays) > self.limits.constant:
            raise Unsupported("it collects more than fits into the memory that loading may take")
        try:
            return Known(np.stack(arrays, axis))
        except ValueError as error:
            raise Unsupported("what it collects has several shapes") from error


def _branch(node: ControlNode) -> list[Value]:
    chosen = _truth(node.operand(0), "its condition")
    return node.bind(node.graph("then_branch" if chosen else "else_branch"), ())


def _loop(node: ControlNode) -> list[Value]:
    body, carried = node.graph("body"), list(node.operands[2:])
    trips, goes_on = node.operand(0), node.operand(1)
    most = None if trips is None else _number(trips, "its number of iterations")
    truth = goes_on is None or _truth(goes_on, "its condition")
    collected: list[list[Value]] = []
    done = 0
    while truth and (most is None or done < most):
        values = [Known(np.array(done, np.int64)), Known(np.array(truth)), *carried]
        condition, *results = node.bind(body, values)
        truth = _truth(condition, "its condition")
        carried, scanned = results[: len(carried)], results[len(carried) :]
        collected.append(scanned)
        done += 1
    return [*carried, *(node.stacked(values) for values in zip(*collected, strict=True))]


def _scan(node: ControlNode) -> list[Value]:
    body = node.graph("body")
    count = node.attributes.get("num_scan_inputs", 0)
    if not isinstance(count, int) or not 0 < count <= len(node.operands):
        raise Unsupported("its attribute num_scan_inputs does not fit its inputs")
    carried, given = list(node.operands[:-count]), node.operands[-count:]
    sources = [_array(value, "what it scans") for value in given]
    axes = node.integers("scan_input_axes", (0,) * count)
    backwards = node.integers("scan_input_directions", (0,) * count)
    outputs = len(body.output) - len(carried)
    if len(axes) != count or len(backwards) != count or outputs < 0:
        raise Unsupported("its axes and directions do not fit its inputs")
    try:
        moved = [np.moveaxis(source, axis, 0) for source, axis in zip(sources, axes, strict=True)]
    except ValueError as error:
        raise Unsupported("its axes are outside what it scans") from error
    moved = [part[::-1] if back else part for part, back in zip(moved, backwards, strict=True)]
    if len({len(part) for part in moved}) != 1:
        raise Unsupported("what it scans has several lengths")
    collected: list[list[Value]] = []
    for entries in zip(*moved, strict=True):
        results = node.bind(body, [*carried, *(Known(np.asarray(entry)) for entry in entries)])
        carried = results[: len(carried)]
        collected.append(results[len(carried) :])
    targets = node.integers("scan_output_axes", (0,) * outputs)
    turned = node.integers("scan_output_directions", (0,) * outputs)
    if len(targets) != outputs or len(turned) != outputs:
        raise Unsupported("its axes and directions do not fit its outputs")
    columns = [list(column) for column in zip(*collected, strict=True)]
    joined = [
        node.stacked(column[::-1] if back else column, axis)
        for column, axis, back in zip(columns, targets, turned, strict=True)
    ]
    return [*carried, *joined]


def _map(node: ControlNode) -> list[Value]:
    body, first = node.graph("body"), node.operand(0)
    if not isinstance(first, TensorSequence):
        raise Unsupported("its first input must be a sequence of tensors")
    length = len(first.entries)
    rows = []
    for place in range(length):
        values: list[Value] = []
        for operand in node.operands:
            if isinstance(operand, TensorSequence):
                if len(operand.entries) != length:
                    raise Unsupported("its sequences have several lengths")
                values.append(operand.entries[place])
            else:
                values.append(operand)
        rows.append(node.bind(body, values))
    if any(isinstance(value, TensorSequence) for row in rows for value in row):
        raise Unsupported("it gives sequences of sequences")
    columns = zip(*rows, strict=True) if rows else [()] * len(body.output)
    return [
        TensorSequence(tuple(v for v in column if not isinstance(v, TensorSequence)))
        for column in columns
    ]


_OPERATORS: Final[dict[str, Callable[[ControlNode], list[Value]]]] = {
    "If": _branch,
    "Loop": _loop,
    "Scan": _scan,
    "SequenceMap": _map,
}


def is_control_flow(op: str) -> bool:
    """Whether an operator of the standard domain chooses or repeats a subgraph."""
    return op in _OPERATORS


def evaluate(op: str, node: ControlNode) -> list[Value]:
    """What a branch or a loop gives, one value for each output.

    Raises:
        Unsupported: its condition, or how often it repeats, depends on the input.
    """
    return _OPERATORS[op](node)


def _array(value: Value, what: str) -> AnyArray:
    if not isinstance(value, Known):
        raise Unsupported(
            f"{what} depends on the input: export a model without control flow that does"
        )
    return value.value


def _truth(value: Value, what: str) -> bool:
    array = _array(value, what)
    if array.size != 1 or array.dtype != np.bool_:
        raise Unsupported(f"{what} is not one truth value")
    return bool(array.item())


def _number(value: Value, what: str) -> int:
    array = _array(value, what)
    if array.size != 1 or not np.issubdtype(array.dtype, np.integer):
        raise Unsupported(f"{what} is not one whole number")
    return int(array.item())
