"""Branches, loops and sequences of tensors, evaluated while a model is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import onnx

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import Unsupported
from onnx_lippa.onnx_io.limits import SizeLimits
from onnx_lippa.onnx_io.node import Attribute, Constant, Operand

_MOST_ENTRIES: Final = 10_000


@dataclass(frozen=True)
class TensorSequence:
    """A sequence of tensors, constant or computed, whose length is known.

    Attributes:
        entries: its tensors.
    """

    entries: tuple[Operand, ...] = ()


Value: TypeAlias = Operand | TensorSequence
"""The value of a tensor name in a graph."""


@dataclass(frozen=True)
class SequenceNode:
    """A node that takes or returns a sequence.

    Attributes:
        operands: its inputs in order.
        attributes: its attributes by name.
        limits: how large constants may become.
    """

    operands: tuple[Value, ...]
    attributes: dict[str, Attribute]
    limits: SizeLimits

    def sequence(self) -> tuple[Operand, ...]:
        """The entries of the first input."""
        first = self.operands[0] if self.operands else None
        if not isinstance(first, TensorSequence):
            raise Unsupported("its first input must be a sequence of tensors")
        return first.entries

    def tensor(self, place: int) -> Operand:
        """An input that is a tensor; None where it is absent."""
        value = self.operands[place] if place < len(self.operands) else None
        if isinstance(value, TensorSequence):
            raise Unsupported(f"its input {place} must be a tensor, not a sequence")
        return value

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise Unsupported(f"its attribute {name} must be an integer")
        return value

    def position(self, place: int, most: int) -> int | None:
        """A constant place of the sequence, made positive; None where it is absent."""
        value = self.tensor(place)
        if value is None:
            return None
        if not isinstance(value, Constant) or len(value.integers) != 1:
            raise Unsupported("its position must be a constant")
        (position,) = value.integers
        if not -most <= position < most:
            raise Unsupported(f"its position {position} is outside a sequence of {most}")
        return position % most

    def arrays(self) -> list[AnyArray]:
        """The entries of the first input, which must be constants."""
        entries = [entry for entry in self.sequence() if isinstance(entry, Constant)]
        if not entries or len(entries) != len(self.sequence()):
            raise Unsupported("it joins a sequence that is empty or not of constants only")
        values = [entry.value for entry in entries]
        if sum(value.nbytes for value in values) > self.limits.constant:
            raise Unsupported("it joins more than fits into the memory that loading may take")
        return values


def _construct(node: SequenceNode) -> Value:
    return TensorSequence(tuple(node.tensor(place) for place in range(len(node.operands))))


def _empty(node: SequenceNode) -> Value:
    del node
    return TensorSequence()


def _at(node: SequenceNode) -> Value:
    entries = node.sequence()
    position = node.position(1, len(entries))
    if position is None:
        raise Unsupported("its position is left out")
    return entries[position]


def _insert(node: SequenceNode) -> Value:
    entries = node.sequence()
    if len(entries) >= _MOST_ENTRIES:
        raise Unsupported(f"its sequence has more than {_MOST_ENTRIES:,} entries")
    position = node.position(2, len(entries) + 1)
    place = len(entries) if position is None else position
    return TensorSequence((*entries[:place], node.tensor(1), *entries[place:]))


def _erase(node: SequenceNode) -> Value:
    entries = node.sequence()
    position = node.position(1, len(entries))
    place = len(entries) - 1 if position is None else position
    if not entries:
        raise Unsupported("its sequence is empty")
    return TensorSequence((*entries[:place], *entries[place + 1 :]))


def _length(node: SequenceNode) -> Value:
    return Constant(np.array(len(node.sequence()), dtype=np.int64))


def _concatenate(node: SequenceNode) -> Value:
    values, axis = node.arrays(), node.integer("axis", 0)
    join = np.stack if node.integer("new_axis", 0) else np.concatenate
    try:
        return Constant(join(values, axis))
    except ValueError as error:
        raise Unsupported("the tensors of its sequence do not fit together") from error


def _split(node: SequenceNode) -> Value:
    value, sizes = node.tensor(0), node.tensor(1)
    axis = node.integer("axis", 0)
    if not isinstance(value, Constant) or not (sizes is None or isinstance(sizes, Constant)):
        raise Unsupported("sequences are made of constants only: export the model without them")
    array = value.value
    if not -array.ndim <= axis < array.ndim:
        raise Unsupported(f"its axis {axis} is outside a tensor of rank {array.ndim}")
    extent = array.shape[axis]
    keeps = sizes is not None or node.integer("keepdims", 1) != 0
    lengths = (1,) if sizes is None else sizes.integers
    if sizes is None or sizes.value.ndim == 0:
        step = max(1, lengths[0])
        lengths = (step,) * (extent // step) + ((extent % step,) if extent % step else ())
    if sum(lengths) != extent or min(lengths, default=1) < 0 or len(lengths) > _MOST_ENTRIES:
        raise Unsupported(f"its parts do not fit an axis of extent {extent}")
    parts = np.split(array, np.cumsum(lengths)[:-1], axis) if lengths else []
    entries = parts if keeps else [np.squeeze(part, axis) for part in parts]
    return TensorSequence(tuple(map(Constant, entries)))


_SEQUENCE_OPERATORS: Final[dict[str, Callable[[SequenceNode], Value]]] = {
    "SequenceConstruct": _construct,
    "SequenceEmpty": _empty,
    "SequenceAt": _at,
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "SequenceLength": _length,
    "ConcatFromSequence": _concatenate,
    "SplitToSequence": _split,
}


def is_sequence_operator(op: str) -> bool:
    """Whether an operator of the standard domain takes or returns a sequence of tensors."""
    return op in _SEQUENCE_OPERATORS


def evaluate_sequence(
    op: str,
    operands: Sequence[Value],
    attributes: dict[str, Attribute],
    limits: SizeLimits,
) -> Value:
    """The result of an operator on sequences.

    Raises:
        Unsupported: a length or a position depends on the input, or shapes do not fit.
    """
    return _SEQUENCE_OPERATORS[op](SequenceNode(tuple(operands), attributes, limits))


Body: TypeAlias = Callable[[onnx.GraphProto, Mapping[str, Value]], list[Value]]
"""Imports a subgraph with values for its inputs, and returns its outputs."""


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
        """An input; None where it is absent."""
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

    def stack(self, values: Sequence[Value], axis: int = 0) -> Constant:
        """Constants of one shape along a new axis."""
        arrays = [value.value for value in values if isinstance(value, Constant)]
        if not arrays or len(arrays) != len(values):
            raise Unsupported("what it collects must be constants, and at least one")
        if sum(array.nbytes for array in arrays) > self.limits.constant:
            raise Unsupported("it collects more than fits into the memory that loading may take")
        try:
            return Constant(np.stack(arrays, axis))
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
        values = [Constant(np.array(done, np.int64)), Constant(np.array(truth)), *carried]
        condition, *results = node.bind(body, values)
        truth = _truth(condition, "its condition")
        carried, scanned = results[: len(carried)], results[len(carried) :]
        collected.append(scanned)
        done += 1
    return [*carried, *(node.stack(values) for values in zip(*collected, strict=True))]


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
        results = node.bind(body, [*carried, *(Constant(np.asarray(entry)) for entry in entries)])
        carried = results[: len(carried)]
        collected.append(results[len(carried) :])
    targets = node.integers("scan_output_axes", (0,) * outputs)
    turned = node.integers("scan_output_directions", (0,) * outputs)
    if len(targets) != outputs or len(turned) != outputs:
        raise Unsupported("its axes and directions do not fit its outputs")
    columns = [list(column) for column in zip(*collected, strict=True)]
    joined = [
        node.stack(column[::-1] if back else column, axis)
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


_CONTROL_OPERATORS: Final[dict[str, Callable[[ControlNode], list[Value]]]] = {
    "If": _branch,
    "Loop": _loop,
    "Scan": _scan,
    "SequenceMap": _map,
}


def is_control_flow(op: str) -> bool:
    """Whether an operator of the standard domain chooses or repeats a subgraph."""
    return op in _CONTROL_OPERATORS


def evaluate_control_flow(op: str, node: ControlNode) -> list[Value]:
    """The outputs of a branch or a loop.

    Raises:
        Unsupported: its condition, or how often it repeats, depends on the input.
    """
    return _CONTROL_OPERATORS[op](node)


def _array(value: Value, what: str) -> AnyArray:
    if not isinstance(value, Constant):
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
