"""Branches, loops and sequences of tensors, evaluated while a model is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import onnx

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import Unsupported
from onnx_lippa.onnx_io.node import Constant, Node, Operand

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
class UnrolledNode(Node[Value]):
    """A node that chooses or repeats subgraphs, or takes or returns a sequence.

    Attributes:
        graphs: its subgraphs by the name of the attribute.
        run: imports one of them.
    """

    graphs: Mapping[str, onnx.GraphProto]
    run: Body

    def sequence(self) -> tuple[Operand, ...]:
        """The entries of the first input."""
        first = self.operand(0)
        if not isinstance(first, TensorSequence):
            raise Unsupported("its first input must be a sequence of tensors")
        return first.entries

    def tensor(self, position: int) -> Operand:
        """An input that is a tensor; None where it is absent."""
        said = f"its input {position} must be a tensor, not a sequence"
        return require_tensor(self.operand(position), said)

    def place(self, position: int, most: int, default: int | None = None) -> int:
        """A constant place of a sequence, made nonnegative; the default where it is absent."""
        value = self.tensor(position)
        if value is None and default is not None:
            return default
        place = _number(value, "its position")
        if not -most <= place < most:
            raise Unsupported(f"its position {place} is outside a sequence of {most}")
        return place % most

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

    def join(self, values: Sequence[Value], axis: int, along_new: bool = True) -> Constant:
        """Constants along a new axis, or along one of theirs."""
        arrays = [_array(value, "a tensor that it joins") for value in values]
        if not arrays:
            raise Unsupported("it joins an empty sequence")
        if sum(array.nbytes for array in arrays) > self.limits.constant:
            raise Unsupported("it joins more than fits into the memory that loading may take")
        try:
            return Constant((np.stack if along_new else np.concatenate)(arrays, axis))
        except ValueError as error:
            raise Unsupported(
                "the shapes of the tensors that it joins do not fit together"
            ) from error


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
    return [*carried, *(node.join(values, 0) for values in zip(*collected, strict=True))]


def _scan(node: UnrolledNode) -> list[Value]:
    body = node.graph("body")
    count = node.integer("num_scan_inputs", 0)
    if not 0 < count <= len(node.operands):
        raise Unsupported("its attribute num_scan_inputs does not fit its inputs")
    carried, given = list(node.operands[:-count]), node.operands[-count:]
    sources = [_array(value, "its scanned input") for value in given]
    axes = node.integers("scan_input_axes", (0,) * count)
    backwards = node.integers("scan_input_directions", (0,) * count)
    outputs = len(body.output) - len(carried)
    if len(axes) != count or len(backwards) != count or outputs < 0:
        raise Unsupported("its axes and directions do not fit its inputs")
    try:
        moved = [np.moveaxis(source, axis, 0) for source, axis in zip(sources, axes, strict=True)]
    except ValueError as error:
        raise Unsupported("its axes are outside its scanned inputs") from error
    moved = [part[::-1] if back else part for part, back in zip(moved, backwards, strict=True)]
    if len({len(part) for part in moved}) != 1:
        raise Unsupported("its scanned inputs have several lengths")
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
        node.join(column[::-1] if back else column, axis)
        for column, axis, back in zip(columns, targets, turned, strict=True)
    ]
    return [*carried, *joined]


def _map(node: UnrolledNode) -> list[Value]:
    body, length = node.graph("body"), len(node.sequence())
    columns: list[Sequence[Value]] = []
    for operand in node.operands:
        entries = operand.entries if isinstance(operand, TensorSequence) else (operand,) * length
        if len(entries) != length:
            raise Unsupported("its sequences have several lengths")
        columns.append(entries)
    rows = [node.bind(body, values) for values in zip(*columns, strict=True)]
    results = zip(*rows, strict=True) if rows else [()] * len(body.output)
    said = "it gives sequences of sequences"
    return [
        TensorSequence(tuple(require_tensor(value, said) for value in column)) for column in results
    ]


def _construct(node: UnrolledNode) -> list[Value]:
    entries = tuple(node.tensor(position) for position in range(len(node.operands)))
    return [TensorSequence(entries)]


def _empty(node: UnrolledNode) -> list[Value]:
    del node
    return [TensorSequence()]


def _at(node: UnrolledNode) -> list[Value]:
    entries = node.sequence()
    return [entries[node.place(1, len(entries))]]


def _insert(node: UnrolledNode) -> list[Value]:
    entries = node.sequence()
    if len(entries) >= _MOST_ENTRIES:
        raise Unsupported(f"its sequence has more than {_MOST_ENTRIES:,} entries")
    place = node.place(2, len(entries) + 1, default=len(entries))
    return [TensorSequence((*entries[:place], node.tensor(1), *entries[place:]))]


def _erase(node: UnrolledNode) -> list[Value]:
    entries = node.sequence()
    if not entries:
        raise Unsupported("its sequence is empty")
    place = node.place(1, len(entries), default=len(entries) - 1)
    return [TensorSequence((*entries[:place], *entries[place + 1 :]))]


def _length(node: UnrolledNode) -> list[Value]:
    return [Constant(np.array(len(node.sequence()), dtype=np.int64))]


def _concatenate(node: UnrolledNode) -> list[Value]:
    along_new = node.integer("new_axis", 0) != 0
    return [node.join(node.sequence(), node.integer("axis", 0), along_new)]


def _split(node: UnrolledNode) -> list[Value]:
    array, sizes = _array(node.tensor(0), "the tensor that it splits"), node.tensor(1)
    given = None if sizes is None else Constant(_array(sizes, "the sizes of its parts"))
    axis = node.axis(array.ndim)
    extent = array.shape[axis]
    keeps = given is not None or node.integer("keepdims", 1) != 0
    lengths = (1,) if given is None else given.integers
    if given is None or given.value.ndim == 0:
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


def unroll(node: UnrolledNode) -> list[Value]:
    """The outputs of a branch, a loop or an operator on sequences.

    Raises:
        Unsupported: a condition, a count or a position depends on the input, or shapes do not fit.
    """
    return _OPERATORS[node.op](node)


def require_tensor(value: Value, said: str) -> Operand:
    """The value; raises Unsupported with this message where it is a sequence."""
    if isinstance(value, TensorSequence):
        raise Unsupported(said)
    return value


def _array(value: Value, what: str) -> AnyArray:
    if value is None:
        raise Unsupported(f"{what} is left out")
    if not isinstance(value, Constant):
        raise Unsupported(
            f"{what} depends on the input: export the model without control flow and sequences"
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
