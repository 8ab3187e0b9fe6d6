"""Operators on sequences of tensors, evaluated while a model is imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import Unsupported
from onnx_lippa.onnx_io.limits import SizeLimits
from onnx_lippa.onnx_io.node import Attribute, Known, Operand

_MOST_ENTRIES: Final = 10_000


@dataclass(frozen=True)
class TensorSequence:
    """A sequence of tensors, constant or computed, whose length is known.

    Attributes:
        entries: its tensors.
    """

    entries: tuple[Operand, ...] = ()


Value: TypeAlias = Operand | TensorSequence
"""What a name of a graph stands for."""


@dataclass(frozen=True)
class SequenceNode:
    """A node that takes or gives a sequence.

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
        """An input that is a tensor; None where it is left out."""
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
        """A constant place of the sequence, made positive; None where it is left out."""
        value = self.tensor(place)
        if value is None:
            return None
        if not isinstance(value, Known) or len(value.integers) != 1:
            raise Unsupported("its position must be a constant")
        (position,) = value.integers
        if not -most <= position < most:
            raise Unsupported(f"its position {position} is outside a sequence of {most}")
        return position % most

    def arrays(self) -> list[AnyArray]:
        """The entries of the first input, which must be constants."""
        entries = [entry for entry in self.sequence() if isinstance(entry, Known)]
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
    return Known(np.array(len(node.sequence()), dtype=np.int64))


def _concatenate(node: SequenceNode) -> Value:
    values, axis = node.arrays(), node.integer("axis", 0)
    join = np.stack if node.integer("new_axis", 0) else np.concatenate
    try:
        return Known(join(values, axis))
    except ValueError as error:
        raise Unsupported("the tensors of its sequence do not fit together") from error


def _split(node: SequenceNode) -> Value:
    value, sizes = node.tensor(0), node.tensor(1)
    axis = node.integer("axis", 0)
    if not isinstance(value, Known) or not (sizes is None or isinstance(sizes, Known)):
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
    return TensorSequence(tuple(map(Known, entries)))


_OPERATORS: Final[dict[str, Callable[[SequenceNode], Value]]] = {
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
    """Whether an operator of the standard domain takes or gives a sequence of tensors."""
    return op in _OPERATORS


def evaluate(
    op: str,
    operands: Sequence[Value],
    attributes: dict[str, Attribute],
    limits: SizeLimits,
) -> Value:
    """What an operator on sequences gives.

    Raises:
        Unsupported: a length or a place depends on the input, or something does not fit.
    """
    return _OPERATORS[op](SequenceNode(tuple(operands), attributes, limits))
