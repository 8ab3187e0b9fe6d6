"""Preprocessing in front of a model, as part of the graph that is imported, run and replayed.

The inputs that a user states, such as pixels in [0, 1], go through it first. So radii, bounds and
distances are in the space of these inputs, and every replay is of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, TypeAlias, final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnx_lippa.arrays import AnyArray, Shape, size
from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.onnx_io.interface import Interface
from onnx_lippa.onnx_io.reader import ModelFile

Layout: TypeAlias = Literal["NCHW", "NHWC"]
ChannelOrder: TypeAlias = Literal["RGB", "BGR"]

_LAYOUTS: Final[dict[str, int]] = {"NCHW": 0, "NHWC": 2}
"""The axis of the channels in a sample."""
_ORDERS: Final = ("RGB", "BGR")
_CHANNELS: Final = (1, 3, 4)
"""Numbers of channels by which the axis of the channels is known."""
_COLOURS: Final = 3
_FIRST_OPSET: Final = 7
"""The operator set from which Mul, Sub and Div broadcast as NumPy does."""
_PREFIX: Final = "onnx_lippa_preprocess_"


@final
@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What becomes of an input before the model takes it: ``(scale * x - mean) / std``.

    Attributes:
        mean: is subtracted: one number, one for each channel in the model's order, or one for each
            feature.
        std: divides the result; as ``mean``, and not 0.
        scale: a factor, such as 255 for a model of pixels from 0 to 255.
        layout: layout of the inputs as stated, ``"NCHW"`` or ``"NHWC"``; they are transposed where
            the model has another. None for the model's own.
        channels: order in which the model takes the channels, ``"RGB"`` or ``"BGR"``; the inputs as
            stated are RGB.
    """

    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    scale: float = 1.0
    layout: Layout | None = None
    channels: ChannelOrder = "RGB"

    def __post_init__(self) -> None:
        for name in ("mean", "std", "scale"):
            values = np.asarray(getattr(self, name))
            if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or not values.size:
                raise InputError(f"{name} of the preprocessing holds no finite numbers: give some")
            if name != "mean" and (values == 0).any():
                raise InputError(f"{name} of the preprocessing holds 0: give numbers other than 0")
            if name == "scale" and values.ndim:
                raise InputError("scale of the preprocessing is one number: give one")
            plain = values.astype(np.float64)
            value = float(plain) if not plain.ndim else tuple(plain.ravel().tolist())
            object.__setattr__(self, name, value)
        if self.layout is not None and self.layout not in _LAYOUTS:
            raise InputError(f"there is no layout {self.layout!r}: give NCHW or NHWC")
        if self.channels not in _ORDERS:
            raise InputError(f"there is no channel order {self.channels!r}: give RGB or BGR")

    @classmethod
    def of(cls, value: Preprocess | str | None) -> Preprocess | None:
        """A value, or the one of a name such as ``imagenet``.

        Raises:
            InputError: no such name.
        """
        if not isinstance(value, str):
            return value
        if value not in NAMED:
            raise InputError(
                f"there is no preprocessing {value!r}: give {', '.join(NAMED)}, or its parts, as "
                "mean, std, scale, layout and channels"
            )
        return NAMED[value]

    def as_json(self) -> dict[str, Any]:
        """Its parts as plain JSON values; defaults are left out."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        changed = {
            one.name: parts[one.name] for one in fields(self) if parts[one.name] != one.default
        }
        return {name: list(v) if isinstance(v, tuple) else v for name, v in changed.items()}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Preprocess:
        """From plain JSON values.

        Raises:
            TypeError, InputError: they are no preprocessing.
        """
        return cls(**values)

    def __str__(self) -> str:
        for name, known in NAMED.items():
            if self == known:
                return name
        parts = []
        for name, value in self.as_json().items():
            numbers = value if isinstance(value, list) else [value]
            shown = [f"{one:g}" if isinstance(one, float) else str(one) for one in numbers[:4]]
            parts.append(f"{name}={','.join(shown)}{',…' if len(numbers) > 4 else ''}")
        return " ".join(parts) or "none"


NAMED: Final[dict[str, Preprocess]] = {
    "imagenet": Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
}
"""Usual preprocessings by name."""


def compose(file: ModelFile, interface: Interface, preprocess: Preprocess) -> ModelFile:
    """The model with the preprocessing in front; its input is the one that the user states.

    Args:
        file: the model.
        interface: its input and output.
        preprocess: the preprocessing.

    Raises:
        ModelError: the model uses an operator set that is too old.
        InputError: the preprocessing does not fit the model's input.
    """
    if file.opset < _FIRST_OPSET:
        raise ModelError(
            f"{file.path} uses opset {file.opset}, and a preprocessing needs {_FIRST_OPSET}: "
            "export it with a newer opset"
        )
    nodes, stated = _nodes(interface, preprocess)
    if not nodes:
        return file
    proto = onnx.ModelProto()
    proto.CopyFrom(file.proto)
    given = next(value for value in proto.graph.input if value.name == interface.input_name)
    given.name = f"{_PREFIX}input"
    axes = given.type.tensor_type.shape.dim
    for extent, axis in zip(stated, list(axes)[len(axes) - len(stated) :], strict=True):
        axis.dim_value = extent
    rest = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes + rest)
    return replace(file, proto=proto, is_composed=True)


def _nodes(interface: Interface, wanted: Preprocess) -> tuple[list[onnx.NodeProto], Shape]:
    """The nodes from the stated input to the model's own, and the stated shape of a sample."""
    shape, stated = interface.sample_shape, interface.sample_shape
    operators: list[tuple[str, AnyArray | None, dict[str, Any]]] = []
    counts = {np.size(value) for value in (wanted.mean, wanted.std) if np.ndim(value)}
    per_channel = next((n for n in counts if n != size(shape)), None)
    named = wanted.layout is not None or wanted.channels != "RGB"
    axis = _channel_axis(shape, wanted, per_channel) if named or per_channel else 0
    if wanted.layout is not None and _LAYOUTS[wanted.layout] != axis:
        stated = (*shape[1:], shape[0]) if axis == 0 else (shape[2], *shape[:2])
        order = [0, 3, 1, 2] if axis == 0 else [0, 2, 3, 1]
        operators.append(("Transpose", None, {"perm": order}))
    if wanted.channels == "BGR":
        operators.append(("Gather", np.array([2, 1, 0], np.int64), {"axis": axis + 1}))
    for op, value, neutral in (
        ("Mul", wanted.scale, 1.0), ("Sub", wanted.mean, 0.0), ("Div", wanted.std, 1.0),
    ):  # fmt: skip
        numbers = np.asarray(value, dtype=interface.dtype)
        if np.all(numbers == neutral):
            continue
        if numbers.ndim:
            numbers = _spread(op, numbers, shape, axis)
        operators.append((op, numbers, {}))
    nodes, tensor = [], f"{_PREFIX}input"
    for place, (op, constant, attributes) in enumerate(operators):
        inputs = [tensor]
        if constant is not None:
            inputs.append(f"{_PREFIX}constant_{place}")
            value = numpy_helper.from_array(np.ascontiguousarray(constant))
            nodes.append(helper.make_node("Constant", [], inputs[1:], value=value))
        is_last = place == len(operators) - 1
        tensor = interface.input_name if is_last else f"{_PREFIX}{place}"
        name = f"{_PREFIX}{op.lower()}"
        nodes.append(helper.make_node(op, inputs, [tensor], name=name, **attributes))
    return nodes, stated


def _channel_axis(shape: Shape, wanted: Preprocess, count: int | None) -> int:
    """The axis of the channels in the model's samples: the first one where both could be.

    Raises:
        InputError: there is none.
    """
    if len(shape) == _COLOURS:
        for axis in (0, 2):
            fits = shape[axis] in _CHANNELS if count is None else shape[axis] == count
            if fits and (wanted.channels == "RGB" or shape[axis] == _COLOURS):
                return axis
    needed = "channels" if count is None else f"{count} channels"
    needed = "3 channels" if wanted.channels != "RGB" else needed
    raise InputError(
        f"the preprocessing ({wanted}) needs {needed}, and the model takes samples of shape "
        f"{shape}: leave out what does not fit it"
    )


def _spread(op: str, numbers: AnyArray, shape: Shape, axis: int) -> AnyArray:
    """Numbers for each channel or feature in a shape that broadcasts with samples (n, *shape)."""
    name = "mean" if op == "Sub" else "std"
    if len(shape) == 3 and numbers.size == shape[axis]:
        return numbers.reshape((-1, 1, 1) if axis == 0 else (-1,))
    if numbers.size == math.prod(shape):
        return numbers.reshape(shape)
    raise InputError(
        f"{name} of the preprocessing holds {numbers.size} numbers, and the model takes samples of "
        f"shape {shape}: give one number, one for each channel, or one for each feature"
    )
