"""From an ONNX graph to a network: folds constants, drops nothing silently.

The graph is read as what it does to a batch of one sample, whatever batch it takes: the network's
own layers work on any number of samples, and how many the graph itself takes at once is for
:mod:`onnx_lippa.onnx_io.sessions` to find out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnx_lippa.arrays import AnyArray, size
from onnx_lippa.errors import NodeProblem, UnsupportedModelError
from onnx_lippa.layers import Computed, Known, NodeView, Operand, Unsupported, converter_for
from onnx_lippa.layers.node import Attribute, Converted
from onnx_lippa.layers.readout import Readout
from onnx_lippa.layers.rearrange import Rearranged, merged
from onnx_lippa.layers.refused import refusal_of
from onnx_lippa.network import Network, Step
from onnx_lippa.onnx_io.folding import fold, is_constant, refuse_not_finite
from onnx_lippa.onnx_io.needed import needed_nodes
from onnx_lippa.onnx_io.reader import MOST_ELEMENTS, Batch, Interface, ModelFile
from onnx_lippa.onnx_io.reasons import first_line


@dataclass
class _Builder:
    """The network so far: what every tensor name stands for, and what went wrong.

    ``lost`` are the tensors that could not be had, and whether each would be a constant.
    """

    model: ModelFile
    interface: Interface
    operands: dict[str, Operand] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    problems: list[NodeProblem] = field(default_factory=list)
    taken: frozenset[str] = frozenset()
    lost: dict[str, bool] = field(default_factory=dict)

    def add(self, node: onnx.NodeProto) -> None:
        """Converts one node, or notes why that cannot be done."""
        name = node.name or (node.output[0] if node.output else "?")
        op = full_name(node)
        try:
            self._convert(node, name)
        except Unsupported as reason:
            self.problems.append(NodeProblem(name, op, str(reason)))
            self.lost.update(dict.fromkeys(node.output, self._is_constant(node)))
        except _DependsOnProblem:  # the node it needs is on the list already
            self.lost.update(dict.fromkeys(node.output, self._is_constant(node)))

    def _is_constant(self, node: onnx.NodeProto) -> bool:
        """Whether a node is seen to take nothing that depends on the input."""
        return not _has_subgraph(node) and all(
            isinstance(self.operands.get(name), Known) or self.lost.get(name, False)
            for name in node.input
            if name
        )

    def _convert(self, node: onnx.NodeProto, name: str) -> None:
        op, standard = full_name(node), node.domain in STANDARD
        if not standard and converter_for(op, self.model.opset) is None:
            raise Unsupported("operators outside the standard ONNX domain are not supported")
        if _has_subgraph(node):
            raise Unsupported("control flow is not supported: export a model without it")
        operands = self._operands_for_known_op(node)
        if standard and is_constant(node.op_type, [isinstance(o, Computed) for o in operands]):
            self._fold(node, operands)
            return
        converter = converter_for(op, self.model.opset)
        if converter is None:
            raise Unsupported(_why_not(op, self.model.opset))
        if standard:
            _check_form(node, self.model.opset)
        view = NodeView(
            node.op_type, operands, _attributes(node), self.model.opset,
            sum(map(bool, node.output)), tuple(output in self.taken for output in node.output),
        )  # fmt: skip
        converted = converter(view)
        results = converted if isinstance(converted, tuple) else (converted,)
        for tensor, result in zip(node.output, results, strict=False):
            if tensor:
                self._accept(node, name, tensor, operands, result)

    def _fold(self, node: onnx.NodeProto, operands: tuple[Operand, ...]) -> None:
        """Evaluates a node that depends on no values of the input, at most on its shape."""
        ir_version = self.model.proto.ir_version
        constants = [_constant(operand, self.interface.dtype) for operand in operands]
        folded = fold(node, constants, self.model.opset, ir_version)
        names = [output for output in node.output if output]
        self.operands.update(
            (output, Known(value)) for output, value in zip(names, folded, strict=True)
        )

    def _operands_for_known_op(self, node: onnx.NodeProto) -> tuple[Operand, ...]:
        """The node's operands; an unknown operator is reported even behind another problem."""
        missing = [name for name in node.input if name and name not in self.operands]
        if missing:
            has_converter = converter_for(node.op_type, self.model.opset) is not None
            known_op = has_converter or is_constant(node.op_type, [True])
            if not known_op and not self._is_constant(node):
                raise Unsupported(_why_not(node.op_type, self.model.opset))
            for name in missing:
                if name not in self.lost:
                    raise Unsupported(
                        f"its input '{name}' is not computed before it, or is a further output "
                        "that is not supported"
                    )
            raise _DependsOnProblem
        return tuple(self.operands[name] if name else None for name in node.input)

    def _accept(
        self,
        node: onnx.NodeProto,
        name: str,
        tensor: str,
        operands: tuple[Operand, ...],
        converted: Converted,
    ) -> None:
        sources = [operands[position] for position in converted.inputs]
        computed = [source for source in sources if isinstance(source, Computed)]
        readout = self._readout(node, computed, converted)
        holds = _truth(computed, converted)
        batched = computed[0].batched if converted.batched is None else converted.batched
        shape = computed[0].shape
        layers = list(converted.layers)
        if layers:
            shape = layers[-1].shape
        if not batched and len(shape) > 1 and shape[0] == 1:
            # What has an axis of extent 1 in front can be taken for a batch of one again.
            batched = True
            layers.append(Rearranged(shape, shape[1:]))
            shape = shape[1:]
        layers = merged(layers)
        inputs = tuple(source.index for source in computed)
        for place, layer in enumerate(layers):
            if size(layer.shape) > MOST_ELEMENTS:
                raise Unsupported(f"its output of shape {layer.shape} is too large")
            # What is read through something is not what the graph calls by that name.
            as_it_is = readout is Readout.LOGITS and holds is None
            named = tensor if as_it_is and place == len(layers) - 1 else ""
            self.steps.append(Step(name, node.op_type, named, layer, inputs))
            inputs = (len(self.steps),)
        self.operands[tensor] = Computed(inputs[0], shape, batched, readout, holds)

    def _readout(
        self, node: onnx.NodeProto, computed: list[Computed], converted: Converted
    ) -> Readout:
        """What the result is to be read through, given what the operands are read through."""
        pending = {source.readout for source in computed} - {Readout.LOGITS}
        if not pending:
            return converted.readout or Readout.LOGITS
        # Either the node goes on with it (1 - sigmoid) or leaves the scores in their order.
        keeps = all(isinstance(layer, Rearranged) for layer in converted.layers)
        goes_on = pending == {converted.readout} and len(converted.layers) > 0
        if goes_on or (len(pending) == 1 and converted.readout is None and keeps):
            return pending.pop()
        before = ", ".join(sorted(readout.value for readout in pending))
        raise Unsupported(
            f"it takes the result of a {before}, which is supported only as the very last step "
            "of a classifier"
        )


def _truth(computed: list[Computed], converted: Converted) -> bool | None:
    """Whether the result is the truth of a comparison, and which (see :class:`Computed`)."""
    given = [source.holds for source in computed if source.holds is not None]
    if converted.takes_truth or not given:
        return converted.holds
    if len(computed) == 1 and all(isinstance(layer, Rearranged) for layer in converted.layers):
        return given[0]
    raise Unsupported(
        "it takes the truth of a comparison, which is supported only as the condition of a Where "
        "(or a factor of a Mul): export the model without it"
    )


STANDARD: Final = frozenset({"", "ai.onnx"})
"""Names of the standard operator set's domain."""


class _DependsOnProblem(Exception):  # noqa: N818  # a signal, not an error
    """The node takes the result of one that could not be converted."""


def import_network(model: ModelFile, interface: Interface) -> Network:
    """The network of a model.

    Raises:
        UnsupportedModelError: lists every node that cannot be imported, with its reason.
    """
    nodes = needed_nodes(model.proto.graph, interface.output_name)
    taken = frozenset(name for node in nodes for name in node.input) | {interface.output_name}
    builder = _Builder(model, interface, taken=taken)
    builder.operands[interface.input_name] = Computed(
        0, interface.sample_shape, interface.batch is not Batch.ABSENT
    )
    for tensor in model.proto.graph.initializer:
        _add_initializer(builder, tensor)
    if model.proto.graph.sparse_initializer:
        builder.problems.append(
            NodeProblem("sparse_initializer", "Constant", "sparse weights are not supported")
        )
    for node in nodes:
        builder.add(node)
    output = builder.operands.get(interface.output_name)
    if not builder.problems and not isinstance(output, Computed):
        builder.problems.append(
            NodeProblem(interface.output_name, "output", "it does not depend on the input")
        )
    if isinstance(output, Computed) and output.holds is not None:
        reason = "it is the truth of a comparison: export the model with the scores as its output"
        builder.problems.append(NodeProblem(interface.output_name, "output", reason))
    if builder.problems or not isinstance(output, Computed):
        raise UnsupportedModelError(tuple(builder.problems))
    skipped = len(model.proto.graph.node) - len(nodes)
    return _pruned(builder.steps, output, interface, skipped)


def _add_initializer(builder: _Builder, tensor: onnx.TensorProto) -> None:
    try:
        value = _array(tensor)
        refuse_not_finite(value)
    except Unsupported as reason:
        builder.problems.append(NodeProblem(tensor.name, "initializer", str(reason)))
        builder.lost[tensor.name] = True
        return
    builder.operands[tensor.name] = Known(value)


def _pruned(steps: list[Step], output: Computed, interface: Interface, skipped: int) -> Network:
    """Only the steps that the output depends on, renumbered."""
    needed = {output.index}
    for index in range(output.index, 0, -1):
        if index in needed:
            needed.update(steps[index - 1].inputs)
    kept = sorted(needed - {0})
    position = {0: 0} | {index: place + 1 for place, index in enumerate(kept)}
    notes = []
    readout = output.readout
    if readout is not Readout.LOGITS:
        notes.append(
            f"the trailing {readout.value} is dropped for the attack, since it keeps the order "
            "of the classes; replays use the model as it is"
        )
    if skipped:
        count = "1 node" if skipped == 1 else f"{skipped} nodes"
        notes.append(f"{count} that '{interface.output_name}' does not depend on left out")
    return Network(
        interface.sample_shape,
        tuple(
            Step(s.name, s.op, s.tensor, s.layer, tuple(position[i] for i in s.inputs))
            for s in (steps[index - 1] for index in kept)
        ),
        readout,
        tuple(notes),
    )


def _constant(operand: Operand, dtype: np.dtype[np.floating]) -> AnyArray | None:
    """An operand as it is folded: a computed one stands for its shape and type alone."""
    if isinstance(operand, Known):
        return operand.value
    if isinstance(operand, Computed):
        return np.zeros(operand.whole, dtype)
    return None


def full_name(node: onnx.NodeProto) -> str:
    """The operator of a node, with its domain where that is not the standard one."""
    return node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"


def _has_subgraph(node: onnx.NodeProto) -> bool:
    return any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)


def _attributes(node: onnx.NodeProto) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            attributes[attribute.name] = value.decode("utf-8", errors="replace")
        elif isinstance(value, onnx.TensorProto):
            attributes[attribute.name] = _array(value)
        elif isinstance(value, int | float | str):
            attributes[attribute.name] = value
        elif value is not None and all(isinstance(entry, int | float) for entry in value):
            attributes[attribute.name] = list(value)
    return attributes


def _array(tensor: onnx.TensorProto) -> AnyArray:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise Unsupported(f"its data cannot be read ({first_line(error)}): export again") from error


def _check_form(node: onnx.NodeProto, opset: int) -> None:
    """Raises Unsupported for a node with inputs, outputs or attributes its operator has not."""
    standard = onnx.NodeProto()
    standard.CopyFrom(node)
    standard.domain = ""
    context = onnx.checker.C.CheckerContext()
    context.ir_version = onnx.IR_VERSION
    context.opset_imports = {"": min(opset, onnx.defs.onnx_opset_version())}
    try:
        onnx.checker.check_node(standard, context)
    except onnx.checker.ValidationError as error:
        raise Unsupported(f"it is malformed ({first_line(error)}): export again") from error


def _why_not(op: str, opset: int) -> str:
    for newer in range(opset + 1, 32):
        if converter_for(op, newer) is not None:
            return (
                f"its form in opset {opset} is not supported, that of opset {newer} is: "
                "export with a newer opset"
            )
    return refusal_of(op)
