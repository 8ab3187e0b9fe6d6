"""An ONNX node as a converter sees it, independent of the onnx package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Shape
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io.limits import DEFAULT_LIMITS, SizeLimits

Attribute: TypeAlias = int | float | str | list[int] | list[float] | list[str] | AnyArray


@dataclass(frozen=True)
class Constant:
    """An input that is a constant of the graph.

    Attributes:
        value: the array, with all axes of the graph.
    """

    value: AnyArray

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
class NodeView:
    """One node.

    Attributes:
        op: operator type.
        operands: its inputs in order.
        attributes: its attributes by name; read them through the methods below.
        opset: version of the operator set it is written in.
        outputs: how many outputs it has.
        used: for every output, whether it is used.
        limits: how large tensors and matrices may become.
    """

    op: str
    operands: tuple[Operand, ...]
    attributes: Mapping[str, Attribute]
    opset: int
    outputs: int = 1
    used: tuple[bool, ...] = (True,)
    limits: SizeLimits = DEFAULT_LIMITS

    def operand(self, position: int) -> Operand:
        """The input at a position, None where it is absent."""
        return self.operands[position] if position < len(self.operands) else None

    def computed(self, position: int = 0) -> Computed:
        """The input at a position, which must depend on the network's input."""
        operand = self.operand(position)
        if not isinstance(operand, Computed):
            raise Unsupported(f"its input {position} must be computed, not a constant or absent")
        return operand

    def sample(self, position: int = 0) -> Computed:
        """The computed input at a position, which must have its batch axis in front."""
        x = self.computed(position)
        if not x.batched:
            raise Unsupported(f"its input of shape {x.shape} has no batch axis in front")
        return x

    def constant(self, position: int, meaning: str) -> Constant:
        """The input at a position, which must be a constant."""
        operand = self.operand(position)
        if not isinstance(operand, Constant):
            raise Unsupported(f"its {meaning} must be a constant")
        return operand

    def only_computed(self) -> tuple[int, ...]:
        """Positions of the inputs that depend on the network's input."""
        return tuple(i for i, operand in enumerate(self.operands) if isinstance(operand, Computed))

    def optional(self, position: int, meaning: str) -> Constant | None:
        """The input at a position, a constant where it is there."""
        return None if self.operand(position) is None else self.constant(position, meaning)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise Unsupported(f"its attribute {name} must be an integer")
        return value

    def number(self, name: str, default: float) -> float:
        """A float attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise Unsupported(f"its attribute {name} must be a number")
        return float(value)

    def numbers(self, name: str, default: float) -> tuple[float, ...]:
        """An attribute that is a list of floats, in float32 as the runtime holds them."""
        value = self.attributes.get(name, [default])
        if not isinstance(value, list) or not all(isinstance(e, int | float) for e in value):
            raise Unsupported(f"its attribute {name} must be a list of numbers")
        return tuple(float(np.float32(entry)) for entry in value)

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise Unsupported(f"its attribute {name} must be a string")
        return value

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        value = self.attributes.get(name)
        if value is None:
            return default
        if not isinstance(value, list) or not all(isinstance(entry, int) for entry in value):
            raise Unsupported(f"its attribute {name} must be a list of integers")
        return tuple(int(entry) for entry in value)

    def axes(self) -> tuple[int, ...]:
        """Constant axes: input 1, or an attribute in older opsets; none where they are absent."""
        given = self.optional(1, "axes")
        return self.integers("axes", ()) if given is None else given.integers

    def axis(self, name: str, default: int, rank: int) -> int:
        """An axis attribute, made non-negative for a tensor of this rank (batch included)."""
        value = self.integer(name, default)
        if not -rank <= value < rank:
            raise Unsupported(f"its {name} {value} is outside a tensor of rank {rank}")
        return value % rank


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
