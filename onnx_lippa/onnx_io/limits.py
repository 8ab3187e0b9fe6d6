"""What loading a model may take: memory, time, and the cost of its constants.

Sizes are known from the shapes of a model before anything is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import onnx
from onnx import helper

from onnx_lippa.arrays import AnyArray, Shape, size
from onnx_lippa.errors import InputError, Unsupported

DEFAULT_MEMORY: Final = 1 << 32
"""Default of the bytes that loading a model may take; a laptop has them to spare."""
MOST_AXES: Final = 28
"""Most axes of a tensor: NumPy before 2.0 has 32, and layers add some of their own."""
_WORK: Final = 1 << 35
"""Most multiplications of all constants together: one or two seconds of one core."""
_NODES: Final = 10_000
"""Most nodes of unrolled loops and branches together."""
_ITEM: Final = 8
"""Bytes of an element whose type is not known."""
_TEXT: Final = 64
"""Bytes of a string, about."""
_ENTRYWISE: Final = frozenset(
    {"Abs", "Add", "And", "Ceil", "Clip", "Div", "Equal", "Exp", "Floor", "Greater",
     "GreaterOrEqual", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mod",
     "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid",
     "Sign", "Sqrt", "Sub", "Sum", "Tanh", "Where", "Xor"}
)  # fmt: skip
"""Operators whose result has the broadcast shape of their operands."""
_NO_LARGER: Final = frozenset(
    {"Compress", "Unique", "NonZero", "Dropout", "Cast", "Concat", "Slice", "Split", "Identity",
     "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "StringNormalizer", "Shape",
     "Size", "NonMaxSuppression"}
)  # fmt: skip
"""Operators whose result has at most rank times as many entries as their operands."""
_WINDOWS: Final = frozenset({"HannWindow", "HammingWindow", "BlackmanWindow"})
_PRODUCTS: Final = frozenset({"MatMul", "Gemm", "MatMulInteger", "QLinearMatMul"})
_CONVOLUTIONS: Final = frozenset(
    {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"}
)
_POOLS: Final = frozenset({"AveragePool", "MaxPool", "LpPool", "MaxRoiPool", "MaxUnpool", "Col2Im"})
_ALL_PAIRS: Final = frozenset(
    {"Einsum", "RNN", "LSTM", "GRU", "Det", "DFT", "STFT", "MelWeightMatrix", "NonMaxSuppression",
     "RoiAlign", "GridSample", "Attention", "LRN", "TfIdfVectorizer", "ImageDecoder",
     "RegexFullMatch", "StringSplit"}
)  # fmt: skip
"""Operators whose cost may be that of every entry with every other one."""


@dataclass(frozen=True)
class SizeLimits:
    """How large the tensors of a model may be.

    Attributes:
        memory: bytes that loading it may take.
    """

    memory: int = DEFAULT_MEMORY

    @property
    def elements(self) -> int:
        """Most elements that one sample of a tensor may have: 8 million by default."""
        return self.memory >> 9

    @property
    def all_elements(self) -> int:
        """Most elements that one sample of all tensors together may have."""
        return self.memory >> 5

    @property
    def matrix(self) -> int:
        """Most entries of a matrix that a converter makes of attributes."""
        return self.memory >> 7

    @property
    def constant(self) -> int:
        """Most bytes of one constant that is folded."""
        return self.memory >> 4

    @property
    def constants(self) -> int:
        """Most bytes of all folded constants together."""
        return self.memory >> 3

    def require_elements(self, shape: Sequence[int], what: str = "its output") -> None:
        """Raises Unsupported where one sample of a tensor would be too large."""
        if len(shape) > MOST_AXES:
            raise Unsupported(f"{what} has {len(shape)} axes; at most {MOST_AXES} are supported")
        if size(tuple(shape)) > self.elements:
            raise Unsupported(
                f"{what} of shape {_shown(shape)} is too large: {self.elements:,} elements of "
                "a sample fit into the memory that loading may take (--load-memory)"
            )

    def require_matrix(self, *extents: int) -> None:
        """Raises Unsupported where a matrix of these extents would be too large."""
        if size(tuple(map(int, extents))) > self.matrix:
            raise Unsupported(
                f"it needs a matrix of shape {_shown(extents)}, which is too large for the "
                "memory that loading may take (--load-memory)"
            )


DEFAULT_LIMITS: Final = SizeLimits()
"""The limits of the default memory."""


def _shown(shape: Sequence[int]) -> str:
    extents: Shape = tuple(map(int, shape))
    return str(extents)


@dataclass(frozen=True)
class LoadLimits(SizeLimits):
    """What loading a model may take, for files from others.

    With limits a model is loaded in a child process first, where a file may exhaust memory, never
    end or crash. Without, only its shapes are compared with the default memory.

    Attributes:
        memory: bytes; larger tensors and constants are refused before they are allocated.
        seconds: seconds that the child process may take.

    Raises:
        InputError: a limit is out of range.
    """

    seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.memory < 1 << 20:
            raise InputError(f"the memory of {self.memory} bytes is too little: give at least 1 MB")
        if not self.seconds > 0 or math.isnan(self.seconds):
            raise InputError(f"the {self.seconds} seconds of loading must be positive")


@final
class Budget:
    """What is left of the memory and time that importing a model may take.

    Args:
        limits: how large they may become.
    """

    def __init__(self, limits: SizeLimits) -> None:
        self.limits = limits
        self._bytes, self._work, self._nodes = limits.constants, _WORK, _NODES
        self._elements = limits.all_elements

    def count_elements(self, shape: Shape) -> None:
        """Counts a computed tensor.

        Raises:
            Unsupported: one sample of it, or of all so far, is too large.
        """
        self.limits.require_elements(shape)
        self._elements -= size(shape)
        if self._elements < 0:
            raise Unsupported(
                f"the tensors up to its output have more than {self.limits.all_elements:,} "
                "elements a sample, the most that fit into the memory that loading may take "
                "(--load-memory)"
            )

    def count_node(self) -> None:
        """Counts one node of a loop or a branch.

        Raises:
            Unsupported: there are too many.
        """
        self._nodes -= 1
        if self._nodes < 0:
            raise Unsupported(
                f"its loops and branches come to more than {_NODES:,} nodes: export a model whose "
                "loops end sooner"
            )

    def require(self, model: onnx.ModelProto, constants: Sequence[AnyArray | None]) -> None:
        """Charges the cost of a node, or refuses it where less is left.

        Args:
            model: a model with this node alone.
            constants: the node's inputs in order.

        Raises:
            Unsupported: it costs too much, or its cost cannot be known.
        """
        node = model.graph.node[0]
        given = sum(_bytes_of(value) for value in constants if value is not None)
        entries, needed = _outputs(model, constants)
        if needed > self.limits.constant:
            raise Unsupported(
                f"it computes a constant of {_amount(needed)}, more than the "
                f"{_amount(self.limits.constant)} that fit into the memory that loading may take "
                "(--load-memory)"
            )
        self._bytes -= needed
        if self._bytes < 0:
            raise Unsupported(
                f"the constants it is one of come to more than {_amount(self.limits.constants)}, "
                "what fits into the memory that loading may take (--load-memory)"
            )
        self._work -= max(_multiplications(node, constants, entries), entries + given)
        if self._work < 0:
            raise Unsupported(
                "the constants it is one of cost more than "
                f"{_WORK:,} multiplications: export the model with them computed"
            )


def _bytes_of(value: AnyArray) -> int:
    return value.size * _TEXT if value.dtype == np.object_ else value.nbytes


def _outputs(model: onnx.ModelProto, constants: Sequence[AnyArray | None]) -> tuple[int, int]:
    """The number of entries of a node's outputs, and their bytes."""
    node = model.graph.node[0]
    most = _most_entries(node, constants)
    if most is not None:
        return most, most * _ITEM
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # its exceptions share no base class
        raise Unsupported("the shape of its output cannot be inferred: export again") from error
    found = {value.name: value.type for value in (*inferred.graph.output,)}
    total, needed = 0, 0
    for name in node.output:
        if not name:
            continue
        tensor = found[name].tensor_type
        extents = [
            axis.dim_value if axis.HasField("dim_value") else -1 for axis in tensor.shape.dim
        ]
        if not tensor.HasField("shape") or min(extents, default=0) < 0:
            raise Unsupported(
                "the shape of its output depends on more than shapes: export the model with "
                "its constants computed"
            )
        if len(extents) > MOST_AXES:
            raise Unsupported(f"it computes a constant of {len(extents)} axes")
        count = size(tuple(extents))
        total += count
        needed += count * _item(tensor.elem_type)
    return total, needed


def _most_entries(node: onnx.NodeProto, constants: Sequence[AnyArray | None]) -> int | None:
    """A bound on the entries of the outputs, for operators that shape inference may not know."""
    present = [value for value in constants if value is not None]
    entries = sum(value.size for value in present)
    if node.op_type in _NO_LARGER:
        return entries * max([1, *(value.ndim for value in present)])
    if node.op_type in _ENTRYWISE and len(present) == len(constants):
        try:
            return size(np.broadcast_shapes(*(value.shape for value in present)))
        except ValueError:
            return max(entries, 1)  # the older broadcasting of one operand along an axis
    if not constants or constants[0] is None:
        return None
    first, second = constants[0], constants[1] if len(constants) > 1 else None
    most = None
    if node.op_type in _WINDOWS:
        most = max(0, int(np.max(first, initial=0)))
    elif node.op_type == "OneHot" and len(constants) > 1:
        depth = 0 if second is None else int(np.max(second, initial=0))
        most = first.size * max(depth, 0)
    elif node.op_type == "Gather" and second is not None:
        axis = next((one.i for one in node.attribute if one.name == "axis"), 0)
        extent = first.shape[axis] if -first.ndim <= axis < first.ndim else 1
        most = first.size // max(extent, 1) * second.size
    return most


def _item(kind: int) -> int:
    """Bytes of an element of an ONNX type."""
    if kind == onnx.TensorProto.STRING:
        return _TEXT
    try:
        return max(1, helper.tensor_dtype_to_np_dtype(kind).itemsize)
    except (KeyError, TypeError, ValueError):
        return _ITEM


def _amount(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 10**10 else f"{count / 1e9:,.0f} GB"


def _multiplications(
    node: onnx.NodeProto, constants: Sequence[AnyArray | None], entries: int
) -> int:
    """About the multiplications of a node with so many entries in its outputs."""
    given = sum(value.size for value in constants if value is not None)
    first = constants[0] if constants else None
    if node.op_type in _PRODUCTS:  # a row of the first operand for every entry
        return entries if first is None else entries * max(first.shape, default=1)
    if node.op_type in _CONVOLUTIONS:  # a kernel for every entry of the result or of the operand
        kernel = max((value.size for value in constants[1:] if value is not None), default=1)
        return max(entries, 0 if first is None else first.size) * kernel
    if node.op_type in _POOLS:  # a window for every entry
        windows = (one.ints for one in node.attribute if one.name == "kernel_shape")
        return entries * max(1, size(tuple(next(windows, ()))))
    return (given + entries) ** 2 if node.op_type in _ALL_PAIRS else 4 * (given + entries)
