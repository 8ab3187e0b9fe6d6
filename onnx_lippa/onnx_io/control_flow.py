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
Body: TypeAlias = Callable[[onnx.GraphProto, Mapping[str, Value]], list[Value]]
"""Imports a subgraph with values for its inputs, and returns its outputs."""


@dataclass(frozen=True)
class UnrolledNode:
    """A node that chooses or repeats subgraphs, or takes or returns a sequence.

    Attributes:
        operands: its inputs in order.
        attributes: its attributes by name, subgraphs excepted.
        graphs: its subgraphs by the name of the attribute.
        run: imports one of them.
        limits: how large constants may become.
    """

    operands: tuple[Value, ...]
    attributes: Mapping[str, Attribute]
    graphs: Mapping[str, onnx.GraphProto]
    run: Body
    limits: SizeLimits

    def operand(self, position: int) -> Value:
        """An input; None where it is absent."""
        return self.operands[position] if position < len(self.operands) else None

    def sequence(self) -> tuple[Operand, ...]:
        """The entries of the first input."""
        first = self.operand(0)
        if not isinstance(first, TensorSequence):
            raise Unsupported("its first input must be a sequence of tensors")
        return first.entries

    def tensor(self, position: int) -> Operand:
        """An input that is a tensor; None where it is absent."""
        value = self.operand(position)
        if isinstance(value, TensorSequence):
            raise Unsupported(f"its input {position} must be a tensor, not a sequence")
        return value

    def integer(self, name: str, default: int) -> int:
        """An attribute that is an integer."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise Unsupported(f"its attribute {name} must be an integer")
        return value

    def integers(self, name: str, default: Sequence[int]) -> list[int]:
        """An attribute that is a list of integers."""
        value = self.attributes.get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(entry, int) for entry in value):
            raise Unsupported(f"its attribute {name} must be a list of integers")
        return [int(entry) for entry in value]

    def place(self, position: int, most: int) -> int | None:
        """A constant nonnegative place of a sequence; None where it is absent."""
        value = self.tensor(position)
        if value is None:
            return None
        if not isinstance(value, Constant) or len(value.integers) != 1:
            raise Unsupported("its position must be a constant")
        (place,) = value.integers
        if not -most <= place < most:
            raise Unsupported(f"its position {place} is outside a sequence of {most}")
        return place % most

    def arrays(self) -> list[AnyArray]:
        """The entries of the first input, which must be constants."""
        entries = [entry for entry in self.sequence() if isinstance(entry, Constant)]
        if not entries or len(entries) != len(self.sequence()):
            raise Unsupported("it joins a sequence that is empty or not of constants only")
        values = [entry.value for entry in entries]
        if sum(value.nbytes for value in values) > self.limits.constant:
            raise Unsupported("it joins more than fits into the memory that loading may take")
        return values

    def graph(self, name: str) -> onnx.GraphProto:
        """A subgraph."""
        if name not in self.graphs:
            raise Unsupported(f"its attribute {name} is missing")
        return self.graphs[name]

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


def _branch(node: UnrolledNode) -> list[Value]:
    chosen = _truth(node.operand(0), "its condition")
    return node.bind(node.graph("then_branch" if chosen else "else_branch"), ())


def _loop(node: UnrolledNode) -> list[Value]:
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


def _scan(node: UnrolledNode) -> list[Value]:
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


def _map(node: UnrolledNode) -> list[Value]:
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


def _construct(node: UnrolledNode) -> list[Value]:
    entries = tuple(node.tensor(position) for position in range(len(node.operands)))
    return [TensorSequence(entries)]


def _empty(node: UnrolledNode) -> list[Value]:
    del node
    return [TensorSequence()]


def _at(node: UnrolledNode) -> list[Value]:
    entries = node.sequence()
    place = node.place(1, len(entries))
    if place is None:
        raise Unsupported("its position is left out")
    return [entries[place]]


def _insert(node: UnrolledNode) -> list[Value]:
    entries = node.sequence()
    if len(entries) >= _MOST_ENTRIES:
        raise Unsupported(f"its sequence has more than {_MOST_ENTRIES:,} entries")
    given = node.place(2, len(entries) + 1)
    place = len(entries) if given is None else given
    return [TensorSequence((*entries[:place], node.tensor(1), *entries[place:]))]


def _erase(node: UnrolledNode) -> list[Value]:
    entries = node.sequence()
    given = node.place(1, len(entries))
    place = len(entries) - 1 if given is None else given
    if not entries:
        raise Unsupported("its sequence is empty")
    return [TensorSequence((*entries[:place], *entries[place + 1 :]))]


def _length(node: UnrolledNode) -> list[Value]:
    return [Constant(np.array(len(node.sequence()), dtype=np.int64))]


def _concatenate(node: UnrolledNode) -> list[Value]:
    values, axis = node.arrays(), node.integer("axis", 0)
    join = np.stack if node.integer("new_axis", 0) else np.concatenate
    try:
        return [Constant(join(values, axis))]
    except ValueError as error:
        raise Unsupported("the tensors of its sequence do not fit together") from error


def _split(node: UnrolledNode) -> list[Value]:
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
    return [TensorSequence(tuple(map(Constant, entries)))]


_OPERATORS: Final[dict[str, Callable[[UnrolledNode], list[Value]]]] = {
    "If": _branch,
    "Loop": _loop,
    "Scan": _scan,
    "SequenceMap": _map,
    "SequenceConstruct": _construct,
    "SequenceEmpty": _empty,
    "SequenceAt": _at,
    "SequenceInsert": _insert,
    "SequenceErase": _erase,
    "SequenceLength": _length,
    "ConcatFromSequence": _concatenate,
    "SplitToSequence": _split,
}


def is_unrolled(op: str) -> bool:
    """Whether an operator of the standard domain is control flow or an operator on sequences."""
    return op in _OPERATORS


def unroll(op: str, node: UnrolledNode) -> list[Value]:
    """The outputs of a branch, a loop or an operator on sequences.

    Raises:
        Unsupported: a condition, a count or a position depends on the input, or shapes do not fit.
    """
    return _OPERATORS[op](node)


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
