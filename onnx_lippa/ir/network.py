"""The internal representation of a network: steps whose operands are results of earlier steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import scipy.special

from onnx_lippa.arrays import AnyArray, Float64, Floats, Shape, size
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import Layer, PiecewiseLayer
from onnx_lippa.ir.layers.concat import Concat
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.ir.passes import Step, forward_pass, read_states, transpose_pass
from onnx_lippa.ir.pattern import ActivationPattern


class OutputActivation(Enum):
    """The output activation of a classifier, which the network leaves out.

    Each keeps the order of the classes.
    """

    IDENTITY = "logits"
    SOFTMAX = "Softmax"
    LOG_SOFTMAX = "LogSoftmax"
    SIGMOID = "Sigmoid"

    def apply(self, logits: Float64) -> Float64:
        """The model's own output (n, k) for these logits (n, k)."""
        if self is OutputActivation.IDENTITY:
            return logits
        if self is OutputActivation.SIGMOID:
            return scipy.special.expit(logits)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return (
            shifted - log_sum if self is OutputActivation.LOG_SOFTMAX else np.exp(shifted - log_sum)
        )


@dataclass(frozen=True)
class Local:
    """A network at one input.

    Attributes:
        logits: (k,) its logits.
        gradient: (d,) gradient of the weighted logits.
        pattern: its activation pattern.
    """

    logits: Float64
    gradient: Float64
    pattern: ActivationPattern


@dataclass(frozen=True)
class Network:
    """A directed acyclic graph of layers, in an order of execution.

    Attributes:
        input_shape: sample shape of the input.
        steps: the layers; the last one computes the logits.
        output_activation: the softmax or sigmoid of the model, which the network leaves out.
        notes: remarks of the import for users, one sentence each.
    """

    input_shape: Shape
    steps: tuple[Step, ...]
    output_activation: OutputActivation = OutputActivation.IDENTITY
    notes: tuple[str, ...] = ()

    @property
    def input_size(self) -> int:
        """Number d of input features."""
        return size(self.input_shape)

    @property
    def output_shape(self) -> Shape:
        """Sample shape of the logits."""
        return self.steps[-1].layer.shape if self.steps else self.input_shape

    @property
    def output_size(self) -> int:
        """Number k of logits."""
        return size(self.output_shape)

    @property
    def units(self) -> int:
        """Number of scalar piecewise-linear units."""
        return sum(
            size(step.layer.shape) for step in self.steps if isinstance(step.layer, PiecewiseLayer)
        )

    @property
    def elements(self) -> int:
        """Number of elements of the input and of all results."""
        return self.input_size + sum(size(step.layer.shape) for step in self.steps)

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(step.layer.parameters for step in self.steps)

    @property
    def work(self) -> int:
        """About the multiplications of one sample: each weight acts at each position."""
        acted = (step.layer.parameters * size(step.layer.shape[1:]) for step in self.steps)
        return self.elements + sum(acted)

    def shape_of(self, index: int) -> Shape:
        """Sample shape of a value: 0 is the input, i + 1 the result of step i."""
        return self.input_shape if index == 0 else self.steps[index - 1].layer.shape

    def joint(self) -> Network:
        """The network with outputs ``[y; x]``, its inputs appended."""
        k, d = self.output_size, self.input_size
        last = len(self.steps)
        added: list[tuple[str, Layer, tuple[int, ...]]] = [
            ("Reshape", Reshape(self.output_shape, (k,)), (last,)),
            ("Reshape", Reshape(self.input_shape, (d,)), (0,)),
            ("Concat", Concat([(k,), (d,)], 0), (last + 1, last + 2)),
        ]
        steps = (Step("joint", op, "", layer, inputs) for op, layer, inputs in added)
        return replace(self, steps=(*self.steps, *steps))

    def values(self, x: Floats) -> list[AnyArray]:
        """The input and the result of every step for a batch (n, d) or (n, *input_shape)."""
        dtype = np.float32 if x.dtype == np.float32 else np.float64
        batch = x.reshape(len(x), *self.input_shape).astype(dtype, copy=False)
        return forward_pass(NumpyAlgebra(dtype), self.steps, batch)

    def forward(self, x: Floats) -> Floats:
        """Logits (n, k) for a batch (n, d) or (n, *input_shape), in the precision of x."""
        return self.values(x)[-1].reshape(len(x), -1)

    def pattern(self, x: Float64) -> ActivationPattern:
        """The activation pattern B(x) of one input of any shape with d elements (eq. 8)."""
        values = self.values(x.reshape(1, -1))
        states = read_states(NumpyAlgebra(), self.steps, values)
        return ActivationPattern.of(states)

    def local(self, x: Float64, v: Float64) -> Local:
        """Logits, ``J^T v`` for v (k,), and activation pattern at one input (d,)."""
        logits, gradient, states = self._differentiate(x.reshape(1, -1), v[None])
        return Local(logits[0], gradient[0], ActivationPattern.of(states))

    def value_and_gradient(self, x: Float64, v: Float64) -> tuple[Float64, Float64]:
        """Logits (n, k) and ``J(x)^T v`` (n, d) for inputs (n, d) and weightings v (n, k).

        The exact reference of the compiled gradient: float64, and at a kink the piece that
        B(x) names.
        """
        logits, gradient, _ = self._differentiate(x, v)
        return logits, gradient

    def _differentiate(
        self, x: Float64, v: Float64
    ) -> tuple[Float64, Float64, list[AnyArray | None]]:
        """Logits (n, k), ``J^T v`` (n, d) and states, in float64."""
        algebra = NumpyAlgebra()
        values = self.values(x.astype(np.float64, copy=False))
        states = read_states(algebra, self.steps, values)
        seed = v.reshape(len(v), *self.output_shape)
        pulled = transpose_pass(algebra, self.steps, states, len(self.steps), seed)
        gradient = np.zeros((len(x), self.input_size)) if pulled is None else pulled
        return values[-1].reshape(len(x), -1), gradient.reshape(len(x), -1), states
