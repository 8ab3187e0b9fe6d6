"""A graph in the making: the open tensors with their values, and the nodes that a family adds.

A family of operators (see :mod:`~tests.support.random_graphs.table`) is a function
``build(draft, x)`` that adds nodes behind the tensor ``x`` and returns the names of what they
compute. It raises :class:`Skip` where the operator cannot follow ``x``. What it added is run in
ONNX Runtime at once, so no family has to compute a shape or a value by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.random_graphs.draws import Draws
from tests.support.random_graphs.runtime import Unusable, check, rows_through

Shape = tuple[int, ...]

MOST_ELEMENTS = 96
"""Most elements of a sample, so that programs and matrices stay small."""
SCALE = (0.2, 3.0)
"""Root mean squares that are left alone; others are scaled into this range."""


class Skip(Exception):  # noqa: N818  # it is no error
    """The family cannot be applied to the tensor; another one is drawn."""


@dataclass(frozen=True)
class Tensor:
    """A computed tensor and its values for the sample rows, ``(rows, *shape)``."""

    name: str
    values: np.ndarray

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        return self.values.shape[1:]

    @property
    def rank(self) -> int:
        """Number of axes, the batch axis included."""
        return self.values.ndim


@dataclass(frozen=True)
class Style:
    """What is the same all over a graph.

    Attributes:
        opset: version of the operator set.
        ir_version: version of the file format.
        batch: extent or name of the batch axis; None for an axis without a name.
        input_name: name of the input.
        listed: whether the initialisers are listed as inputs of the graph.
        constant_nodes: share of constants that are nodes.
        wrapped: share of constants that are computed from others.
        named: whether nodes have names.
        annotated: whether the shapes of tensors inside are written down.
        shaped: whether the shape of the output is.
    """

    opset: int
    ir_version: int
    batch: int | str | None
    input_name: str
    listed: bool
    constant_nodes: float
    wrapped: float
    named: bool
    annotated: bool
    shaped: bool

    @property
    def fixed(self) -> bool:
        """Whether the batch axis has the extent 1."""
        return self.batch == 1

    def described(self, name: str, sample: Sequence[int | None]) -> onnx.ValueInfoProto:
        """A float tensor as the graph's interface states it."""
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [self.batch, *sample])


@dataclass
class Fragment:
    """Nodes and constants that belong together."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def extend(self, other: Fragment) -> None:
        """Appends another fragment."""
        self.nodes.extend(other.nodes)
        self.constants.extend(other.constants)


class Draft(Draws):
    """The accepted part of a graph, and the pending fragment of the family at work."""

    def __init__(self, generator: np.random.Generator, style: Style, x: np.ndarray) -> None:
        super().__init__(generator)
        self.style = style
        self.open = [Tensor(style.input_name, x)]
        self.accepted = Fragment()
        self.rejected: Counter[str] = Counter()
        self._pending = Fragment()
        self._count = 0
        self._used: set[str] = set()

    @property
    def opset(self) -> int:
        """The version of the operator set."""
        return self.style.opset

    def need(self, condition: object) -> None:
        """Raises Skip unless the condition holds."""
        if not condition:
            raise Skip

    # What families add.

    def add(self, op: str, inputs: Sequence[Tensor | str], **attributes: Any) -> str:
        """Appends a node of one output and returns the output's name."""
        return self.add_many(op, inputs, 1, **attributes)[0]

    def add_many(
        self, op: str, inputs: Sequence[Tensor | str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Appends a node and returns the names of its outputs."""
        names = [one.name if isinstance(one, Tensor) else one for one in inputs]
        results = [self._fresh() for _ in range(outputs)]
        name = f"{op}_{results[0]}" if self.style.named else ""
        self._pending.nodes.append(helper.make_node(op, names, results, name=name, **attributes))
        return results

    def constant(self, value: np.ndarray | float) -> str:
        """A float constant: an initialiser, a node, or computed from such."""
        array = np.asarray(value, dtype=np.float32)
        if not self.chance(self.style.wrapped):
            return self._plain(array)
        match self.integer(0, 2):
            case 0:
                return self.add("Identity", [self._plain(array)])
            case 1 if array.ndim > 1:
                order = [int(axis) for axis in self.generator.permutation(array.ndim)]
                back = [int(axis) for axis in np.argsort(order)]
                turned = self._plain(np.ascontiguousarray(array.transpose(order)))
                return self.add("Transpose", [turned], perm=back)
            case _:
                # Doubles that are these very floats.
                doubles = self._plain(array.astype(np.float64))
                return self.add("Cast", [doubles], to=TensorProto.FLOAT)

    def ints(self, values: Iterable[int] | int) -> str:
        """A constant of whole numbers, a vector or a scalar."""
        array = values if isinstance(values, int) else list(values)
        return self.whole(np.asarray(array, dtype=np.int64))

    def whole(self, values: np.ndarray) -> str:
        """A constant of whole numbers of any shape and type."""
        return self._plain(values)

    def bools(self, values: np.ndarray) -> str:
        """A constant mask."""
        return self._plain(values.astype(np.bool_))

    def with_axes(
        self,
        op: str,
        x: Tensor | str,
        axes: Sequence[int],
        input_since: int,
        **attributes: Any,
    ) -> str:
        """A node whose axes are an attribute before an opset and an input from it on."""
        if self.opset < input_since:
            return self.add(op, [x], axes=list(axes), **attributes)
        return self.add(op, [x, self.ints(axes)], **attributes)

    def _plain(self, array: np.ndarray) -> str:
        only_floats = self.opset < 9 and not np.issubdtype(array.dtype, np.floating)
        if only_floats or not self.chance(self.style.constant_nodes):
            name = self._fresh("c")
            self._pending.constants.append(numpy_helper.from_array(array, name))
            return name
        kind = {np.dtype(np.float32): "float", np.dtype(np.int64): "int"}.get(array.dtype)
        if kind and array.size and array.ndim < 2 and self.opset >= 12 and self.chance(0.5):
            plural = "s" * array.ndim
            return self.add("Constant", [], **{f"value_{kind}{plural}": array.tolist()})
        return self.add("Constant", [], value=numpy_helper.from_array(array))

    def _fresh(self, kind: str = "t") -> str:
        self._count += 1
        return f"{kind}{self._count}"

    # Which tensors families may take.

    def source(self) -> Tensor:
        """A tensor to go on from: rather a late one, and rather one not used yet."""
        weights = np.array(
            [(1 + place) * (1 if t.name in self._used else 4) for place, t in enumerate(self.open)],
            dtype=float,
        )
        return self.open[self.generator.choice(len(self.open), p=weights / weights.sum())]

    def mate(self, x: Tensor, fits: Callable[[Tensor], bool], itself: float = 0.05) -> Tensor:
        """Another open tensor that fits; seldom the same one.

        Raises:
            Skip: there is none.
        """
        if self.chance(itself) and fits(x):
            return x
        mates = [t for t in self.open if t is not x and fits(t)]
        self.need(mates)
        return self.pick(mates)

    def unused(self) -> list[Tensor]:
        """The open tensors that nothing takes yet."""
        return [tensor for tensor in self.open if tensor.name not in self._used]

    # How a fragment becomes a part of the graph.

    def apply(
        self,
        build: Callable[[Draft, Tensor], str | list[str]],
        x: Tensor,
        scaled: bool = True,
    ) -> bool:
        """Lets a family go on from a tensor; whether what it added is usable.

        Args:
            build: the family.
            x: the tensor.
            scaled: whether values out of scale are to be scaled.
        """
        self._pending = Fragment()
        try:
            result = build(self, x)
            names = [result] if isinstance(result, str) else result
            tensors = self._run(names)
            if scaled:
                tensors = self._scaled(tensors)
        except Skip:
            return False
        except Unusable as reason:
            self.rejected[f"{build.__name__}: {reason}"] += 1
            return False
        finally:
            fragment, self._pending = self._pending, Fragment()
        self.accepted.extend(fragment)
        self._used.update(name for node in fragment.nodes for name in node.input)
        self.open.extend(tensors)
        return True

    def _run(self, names: list[str]) -> list[Tensor]:
        """The pending fragment's results, checked."""
        taken = {name for node in self._pending.nodes for name in node.input}
        sources = {t.name: t.values for t in self.open if t.name in taken}
        model = fragment_model(self._pending, self.style, sources, names)
        tensors = [
            Tensor(name, values)
            for name, values in zip(
                names, rows_through(model, sources, self.style.fixed), strict=True
            )
        ]
        for value, tensor in zip(model.graph.output, tensors, strict=True):
            value.CopyFrom(self.style.described(tensor.name, tensor.shape))
        check(model)
        for tensor in tensors:
            if tensor.rank < 2 or not 0 < prod(tensor.shape) <= MOST_ELEMENTS:
                raise Unusable(f"size: {len(tensor.shape)} axes or number of elements")
        if all(np.ptp(tensor.values, axis=0).max() < 1e-2 for tensor in tensors):
            raise Unusable("size: hardly depends on the input")
        return tensors

    def _scaled(self, tensors: list[Tensor]) -> list[Tensor]:
        """The tensors, a single one out of scale by way of a factor."""
        if len(tensors) != 1:
            return tensors
        root = float(np.sqrt(np.mean(np.square(tensors[0].values.astype(np.float64)))))
        if SCALE[0] <= root <= SCALE[1]:
            return tensors
        factor = round(float(1 / root), 3)
        if self.chance(0.5):
            name = self.add("Mul", [tensors[0], self.constant(factor)])
        else:
            name = self.add("Div", [tensors[0], self.constant(1 / factor)])
        return self._run([name])


def fragment_model(
    fragment: Fragment, style: Style, sources: dict[str, np.ndarray], outputs: list[str]
) -> onnx.ModelProto:
    """A model of a fragment alone."""
    graph = helper.make_graph(
        fragment.nodes,
        "fragment",
        [style.described(name, values.shape[1:]) for name, values in sources.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        fragment.constants,
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", style.opset)],
        ir_version=max(style.ir_version, 4),
    )
