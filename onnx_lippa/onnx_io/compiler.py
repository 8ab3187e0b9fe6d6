"""Networks as ONNX graphs: the forward pass, and the forward and reverse pass together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, final

import numpy as np
import onnx
from onnx import helper, numpy_helper
from typing_extensions import override

from onnx_lippa.arrays import FLOAT32, AnyArray, Float64, Integers, Shape
from onnx_lippa.errors import InputError
from onnx_lippa.ir.algebra import Algebra, ConvGeometry
from onnx_lippa.ir.algebra.base import broadcast_axes, place_numbers
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import forward_pass, read_states, transpose_pass
from onnx_lippa.onnx_io.rewrites import SubPixel, straight_pieces, straight_run, sub_pixel

_IR_VERSION = 8
OPSET = 18
"""Operator set of the graphs written here: the oldest that has all they use."""
_MOST_SLICES: Final = 4
"""Up to so many slices are joined faster than their entries are gathered one by one."""


def gradient_model(network: Network, dtype: np.dtype[np.floating] = FLOAT32) -> onnx.ModelProto:
    """A graph with inputs ``x`` and ``v`` and outputs ``logits`` and ``gradient``.

    ``x`` is [batch, *input_shape], ``v`` [batch, k] weights the logits, and ``gradient`` is
    ``J(x)^T v`` in the shape of x; all of the given type. At a kink the gradient is that of the
    piece on which ``pre-activation >= 0``.
    """
    algebra = GraphAlgebra(dtype)
    values = forward_pass(algebra, network.steps, "x")
    states = read_states(algebra, network.steps, values)
    k, shape = network.output_size, network.input_shape
    seed = "v" if network.output_shape == (k,) else algebra.reshape("v", network.output_shape)
    pulled = transpose_pass(algebra, network.steps, states, len(network.steps), seed)
    if pulled is None:
        pulled = algebra.scale("x", np.array(0.0))
    logits = values[-1] if network.output_shape == (k,) else algebra.reshape(values[-1], (k,))
    outputs = {"logits": (logits, (k,)), "gradient": (pulled, shape)}
    return algebra.model("value_and_gradient", {"x": shape, "v": (k,)}, outputs)


def value_model(network: Network, dtype: np.dtype[np.floating] = FLOAT32) -> onnx.ModelProto:
    """The network itself as a graph that takes any number of samples: ``x`` to ``logits``."""
    algebra = GraphAlgebra(dtype)
    k = network.output_size
    logits = algebra.reshape(forward_pass(algebra, network.steps, "x")[-1], (k,))
    return algebra.model("value", {"x": network.input_shape}, {"logits": (logits, (k,))})


def write_gradient(network: Network, path: Path) -> None:
    """Writes the gradient graph of a network to a file.

    Raises:
        InputError: the file cannot be written.
    """
    model = gradient_model(network)
    onnx.checker.check_model(model)
    try:
        path.write_bytes(model.SerializeToString())
    except OSError as error:
        with suppress(OSError):
            if path.is_file():
                path.unlink()  # no empty or half a file remains on a full disk
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


@final
class GraphAlgebra(Algebra[str]):
    """Operands are tensor names; nodes and constants are collected in order.

    Args:
        dtype: float32 or float64, the type of all numbers in the graph.
    """

    def __init__(self, dtype: np.dtype[np.floating] = FLOAT32) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._shared: dict[tuple[bytes, Shape, str], str] = {}
        self._transposes: dict[str, str] = {}

    @property
    def element(self) -> int:
        """The ONNX number of :attr:`dtype`."""
        return helper.np_dtype_to_tensor_dtype(self.dtype)

    @override
    def add(self, left: str, right: str) -> str:
        return self._node("Add", left, right)

    @override
    def add_constant(self, x: str, constant: Float64) -> str:
        return self._node("Add", x, self._float(constant))

    @override
    def scale(self, x: str, constant: Float64) -> str:
        if constant.ndim == 0 and constant == -1.0:
            return self._node("Neg", x)
        return self._node("Mul", x, self._float(constant))

    @override
    def matmul(self, x: str, weight: Float64) -> str:
        return self._node("MatMul", x, self._float(weight))

    @override
    def left_matmul(self, weight: Float64, x: str) -> str:
        return self._node("MatMul", self._float(weight), x)

    @override
    def conv(self, x: str, weight: Float64, geometry: ConvGeometry) -> str:
        return self._node("Conv", x, self._float(weight), **_window(geometry))

    @override
    def conv_transpose(
        self, u: str, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> str:
        """As a convolution where that is possible."""
        places = geometry.output_extents(extents)
        form = sub_pixel(weight, geometry, places, extents)
        if form is None:
            return self._node(
                "ConvTranspose",
                u,
                self._float(weight),
                output_padding=list(geometry.leftover(extents)),
                **_window(geometry),
            )
        spread = self._node(
            "Conv",
            u,
            self._float(form.weight),
            kernel_shape=list(form.weight.shape[2:]),
            pads=[p for p, _ in form.pads] + [p for _, p in form.pads],
        )
        if form.block > 1:
            spread = self._interleave(spread, weight.shape[1], form)
        return self._node(
            "Slice",
            spread,
            self._integer(tuple(start for start, _ in form.crop)),
            self._integer(tuple(stop for _, stop in form.crop)),
            self._integer((2, 3)),
        )

    def _interleave(self, spread: str, channels: int, form: SubPixel) -> str:
        """What DepthToSpace (CRD) does, one axis after the other: twice as fast in ONNX Runtime."""
        s, (height, width) = form.block, form.places
        columns = self.reshape(spread, (channels, s, s, height, width))
        rows = self.permute(columns, (0, 1, 3, 4, 2))
        rows = self.reshape(rows, (channels, s, height, width * s))
        whole = self.permute(rows, (0, 2, 1, 3))
        return self.reshape(whole, (channels, height * s, width * s))

    @override
    def reshape(self, x: str, shape: Shape) -> str:
        return self._node("Reshape", x, self._integer((-1, *shape)))

    @override
    def permute(self, x: str, axes: tuple[int, ...]) -> str:
        return self._node("Transpose", x, perm=[0, *(axis + 1 for axis in axes)])

    @override
    def take(self, x: str, axis: int, source: Shape, indices: Integers) -> str:
        """Slices and zeros around them where that is all it is."""
        run = straight_run(indices)
        if run is None:
            pieces = straight_pieces(indices, _MOST_SLICES)
            if pieces is not None:
                return self.concatenate([self.take(x, axis, source, p) for p in pieces], axis)
            if np.any(indices < 0):
                x = self._zeros_around(x, axis, len(source), 0, 1)  # where Gather finds position -1
            return self._node("Gather", x, self._constant(indices), axis=axis + 1)
        if (run.start, run.step, run.count) != (0, 1, source[axis]):
            behind = run.start + run.step * run.count
            if behind < 0:  # as an end this would count from behind
                behind = np.iinfo(np.int64).min
            x = self._node(
                "Slice",
                x,
                *(self._integer((n,)) for n in (run.start, behind, axis + 1, run.step)),
            )
        if run.before == run.after == 0:
            return x
        return self._zeros_around(x, axis, len(source), run.before, run.after)

    @override
    def concatenate(self, parts: Sequence[str], axis: int) -> str:
        return self._node("Concat", *parts, axis=axis + 1)

    @override
    def broadcast(self, x: str, shape: Shape) -> str:
        return self._node("Expand", x, self._integer((1, *shape)))

    @override
    def sum_to(self, u: str, source: Shape, shape: Shape) -> str:
        axes = broadcast_axes(source, shape)
        total = self._node("ReduceSum", u, self._integer(axes), keepdims=1) if axes else u
        return self.reshape(total, shape)

    @override
    def relu(self, x: str) -> str:
        return self._node("Relu", x)

    @override
    def maximum(self, x: str, axis: int) -> str:
        return self._node("ReduceMax", x, self._integer((axis + 1,)), keepdims=0)

    @override
    def at_least(self, x: str, threshold: Float64) -> str:
        return self._node("GreaterOrEqual", x, self._float(threshold))

    @override
    def argmax(self, x: str, axis: int) -> str:
        """In 32 bits, which are compared faster than 64."""
        found = self._node("ArgMax", x, axis=axis + 1, keepdims=0)
        return self._node("Cast", found, to=onnx.TensorProto.INT32)

    @override
    def one_hot(self, positions: str, shape: Shape, axis: int) -> str:
        expanded = self._node("Unsqueeze", positions, self._integer((axis + 1,)))
        return self._node("Equal", expanded, self._constant(place_numbers(shape, axis)))

    @override
    def where(self, condition: str, if_true: str, if_false: str) -> str:
        """Of products, which ONNX Runtime computes ten times as fast."""
        rest = self._node("Sub", if_false, self.mask(condition, if_false))
        return self._node("Add", self.mask(condition, if_true), rest)

    @override
    def mask(self, condition: str, x: str) -> str:
        # A product is twice as fast as Where with a broadcast zero.
        return self._node("Mul", x, self._node("Cast", condition, to=self.element))

    def model(
        self, name: str, inputs: Mapping[str, Shape], outputs: Mapping[str, tuple[str, Shape]]
    ) -> onnx.ModelProto:
        """The model of a graph.

        Args:
            name: its name.
            inputs: names and sample shapes of its inputs.
            outputs: names of its outputs, each with its value and sample shape.
        """
        for output, (value, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [output]))
        shapes = {output: shape for output, (_, shape) in outputs.items()}
        taken, given = (
            [helper.make_tensor_value_info(n, self.element, ["batch", *s]) for n, s in part.items()]
            for part in (inputs, shapes)
        )
        return helper.make_model(
            helper.make_graph(self.nodes, name, taken, given, self.initializers),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="onnx-lippa",
        )

    def _zeros_around(self, x: str, axis: int, rank: int, before: int, after: int) -> str:
        """Zeros before and behind the entries of one axis of samples of this rank."""
        # ONNX Runtime's optimiser breaks a Pad of stated axes between two Transposes.
        pads = [0] * (2 * rank + 2)
        pads[axis + 1], pads[rank + axis + 2] = before, after
        return self._node("Pad", x, self._integer(tuple(pads)))

    def _node(self, op: str, *inputs: str, **attributes: int | str | Sequence[int]) -> str:
        output = f"t{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), [output])
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self.nodes.append(node)
        return output

    def _float(self, constant: Float64) -> str:
        flipped = constant.swapaxes(-1, -2) if constant.ndim > 1 else constant
        if flipped.flags.c_contiguous and not constant.flags.c_contiguous:
            # The transpose of a weight: stored once, and turned when a session opens.
            return self._transposed(self._float(flipped), constant.ndim)
        return self._constant(constant.astype(self.dtype, copy=False))

    def _transposed(self, stored: str, rank: int) -> str:
        """A constant with its last two axes swapped."""
        if stored not in self._transposes:
            order = [*range(rank - 2), rank - 1, rank - 2]
            self._transposes[stored] = self._node("Transpose", stored, perm=order)
        return self._transposes[stored]

    def _integer(self, values: tuple[int, ...]) -> str:
        return self._constant(np.array(values, dtype=np.int64))

    def _constant(self, value: AnyArray) -> str:
        """The name of a constant; equal ones are stored once."""
        value = np.ascontiguousarray(value)
        key = (hashlib.sha256(value.data).digest(), value.shape, value.dtype.str)
        if key not in self._shared:
            self._shared[key] = f"c{len(self.initializers)}"
            self.initializers.append(numpy_helper.from_array(value, self._shared[key]))
        return self._shared[key]


def _window(geometry: ConvGeometry) -> dict[str, int | Sequence[int]]:
    """The attributes of Conv and ConvTranspose that say how the kernel moves."""
    return {
        "kernel_shape": list(geometry.kernel),
        "strides": list(geometry.strides),
        "dilations": list(geometry.dilations),
        "pads": [p for p, _ in geometry.pads] + [p for _, p in geometry.pads],
        "group": geometry.groups,
    }
