"""An ONNX node as the importer reads it, independent of the onnx package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Shape
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io.limits import DEFAULT_LIMITS, SizeLimits

T = TypeVar("T")
Input = TypeVar("Input")

Attribute: TypeAlias = int | float | str | list[int] | list[float] | list[str] | AnyArray


@dataclass(frozen=True)
class Constant:
    """An input that is a constant of the graph.

    Attributes:
        value: the array, with all axes of the graph.
    """

    value: AnyArray

    @property
    def graph_shape(self) -> Shape:
        """Its shape in the graph."""
        return self.value.shape

    @property
    def weight(self) -> Float64:
        """The constant in float64.

        Raises:
            Unsupported: it holds no finite real numbers.
        """
        if not np.can_cast(self.value.dtype, np.float64, "same_kind"):
            raise Unsupported(f"a constant of type {self.value.dtype} holds no real numbers")
        if not np.all(np.isfinite(self.value)):
            raise Unsupported(
                "it contains NaN or infinite weights: check the training and export again"
            )
        return self.value.astype(np.float64, copy=False)

    @property
    def integers(self) -> tuple[int, ...]:
        """The values of a constant of whole numbers, in row-major order."""
        if not np.issubdtype(self.value.dtype, np.integer):
            raise Unsupported(f"a constant has type {self.value.dtype}, not whole numbers")
        return tuple(int(entry) for entry in self.value.ravel())


@dataclass(frozen=True)
class Computed:
    """An input that depends on the network's input.

    Attributes:
        index: which value of the network it is.
        shape: its shape for one sample.
        batched: whether the tensor has a batch axis in front of that; tensors of a model for
            single samples may lack one.
        output_activation: the activation that the graph has applied and the network leaves out.
        holds: for the truth value of a comparison, whether it is true where the network's value is
            ``>= 0`` (True) or ``< 0`` (False); None for numbers.
    """

    index: int
    shape: Shape
    batched: bool = True
    output_activation: OutputActivation = OutputActivation.IDENTITY
    holds: bool | None = None

    @property
    def rank(self) -> int:
        """Number of axes in the graph, the batch axis included."""
        return len(self.shape) + self.batched

    @property
    def graph_shape(self) -> Shape:
        """Its shape in the graph for a batch of one."""
        return (1, *self.shape) if self.batched else self.shape


Operand: TypeAlias = Constant | Computed | None
"""One input of a node; None where an optional input is absent."""


@dataclass(frozen=True)
class Node(Generic[Input]):
    """The inputs and attributes of a node.

    Attributes:
        op: operator type.
        operands: its inputs in order.
        attributes: its attributes by name; read them through the methods below.
        limits: how large tensors and matrices may become.
    """

    op: str
    operands: tuple[Input, ...]
    attributes: Mapping[str, Attribute]
    limits: SizeLimits = field(default=DEFAULT_LIMITS, kw_only=True)

    def operand(self, position: int) -> Input | None:
        """The input at a position, None where it is absent."""
        return self.operands[position] if position < len(self.operands) else None

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return self._attribute(name, default, int, "an integer")

    def number(self, name: str, default: float) -> float:
        """A float attribute, in float32 as the runtime holds it."""
        return float(np.float32(self._attribute(name, default, float, "a number")))

    def numbers(self, name: str, default: float) -> tuple[float, ...]:
        """An attribute that is a list of floats, in float32 as the runtime holds them."""
        values = self._list(name, (default,), float, "numbers")
        return tuple(float(np.float32(value)) for value in values)

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        return self._attribute(name, default, str, "a string")

    def integers(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        return self._list(name, default, int, "integers")

    def axis(self, rank: int, default: int = 0) -> int:
        """The attribute ``axis``, nonnegative, of a tensor of this rank (batch included)."""
        value = self.integer("axis", default)
        if not -rank <= value < rank:
            raise Unsupported(f"its axis {value} is outside a tensor of rank {rank}")
        return value % rank

    def _attribute(self, name: str, default: T, kind: type[T], meaning: str) -> T:
        value = self.attributes.get(name, default)
        if not isinstance(value, kind):
            raise Unsupported(f"its attribute {name} must be {meaning}")
        return value

    def _list(self, name: str, default: Sequence[T], kind: type[T], meaning: str) -> tuple[T, ...]:
        entries = self._attribute(name, list(default), list, f"a list of {meaning}")
        if not all(isinstance(entry, kind) for entry in entries):
            raise Unsupported(f"its attribute {name} must be a list of {meaning}")
        return tuple(entries)


@dataclass(frozen=True)
class NodeView(Node[Operand]):
    """A node as its converter sees it.

    Attributes:
        opset: version of the operator set it is written in.
        outputs: how many outputs it has.
        used: for every output, whether it is used.
    """

    opset: int
    outputs: int = 1
    used: tuple[bool, ...] = (True,)

    def tensor(self, position: int) -> Computed | Constant:
        """The input at a position, which must be there."""
        operand = self.operand(position)
        if operand is None:
            raise Unsupported(f"its input {position} is left out")
        return operand

    def computed(self, position: int = 0) -> Computed:
        """The input at a position, which must depend on the network's input."""
        operand = self.operand(position)
        if not isinstance(operand, Computed):
            raise Unsupported(f"its input {position} must be computed, not a constant or absent")
        return operand

    def sample(self) -> Computed:
        """The first input, which must be computed and have its batch axis in front."""
        x = self.computed()
        if not x.batched:
            raise Unsupported(f"its input of shape {x.shape} has no batch axis in front")
        return x

    def constant(self, position: int, meaning: str) -> Constant:
        """The input at a position, which must be a constant."""
        operand = self.operand(position)
        if not isinstance(operand, Constant):
            raise Unsupported(f"its {meaning} must be a constant")
        return operand

    def optional(self, position: int, meaning: str) -> Constant | None:
        """The input at a position, a constant where it is there."""
        return None if self.operand(position) is None else self.constant(position, meaning)

    def only_computed(self) -> tuple[int, ...]:
        """Positions of the inputs that depend on the network's input."""
        return tuple(i for i, operand in enumerate(self.operands) if isinstance(operand, Computed))

    def computed_and_constant(self, meaning: str) -> tuple[int, Computed, Constant]:
        """The factors of a product, one of the first two inputs computed and one constant.

        Returns:
            The position of the computed one, that input, and the other.
        """
        positions = [position for position in self.only_computed() if position < 2]
        if len(positions) != 1:
            raise Unsupported("the product of two computed tensors is not piecewise linear")
        (position,) = positions
        return position, self.computed(position), self.constant(1 - position, meaning)

    def constant_integers(
        self, position: int, name: str, default: Sequence[int] = ()
    ) -> tuple[int, ...]:
        """Constant integers: the input at a position, or an attribute in older opsets."""
        given = self.optional(position, name)
        return self.integers(name, default) if given is None else given.integers


@dataclass(frozen=True)
class Conversion:
    """The layers of one output of a node.

    Attributes:
        layers: a chain of layers, the first of which takes the node's operands; empty where the
            node passes its operand on.
        inputs: positions of the node's operands that the chain takes, in order.
        batched: whether the result has a batch axis in the graph; None means as the operand.
        output_activation: set where the node is a softmax or sigmoid.
        holds: set where the result is a truth value (see :class:`Computed`).
        takes_truth: whether the node accepts truth values.
    """

    layers: tuple[Layer, ...]
    inputs: tuple[int, ...] = (0,)
    batched: bool | None = None
    output_activation: OutputActivation | None = None
    holds: bool | None = None
    takes_truth: bool = False

    @property
    def only_reshapes(self) -> bool:
        """Whether every element keeps its value and its place in row-major order."""
        return all(isinstance(layer, Reshape) for layer in self.layers)
