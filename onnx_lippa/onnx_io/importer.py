"""From an ONNX graph to a network: folds constants, and leaves out nothing silently.

The graph is read by its action on a batch of one sample, whatever batch it takes: the network's
own layers work on any number of samples, and how many the graph itself takes at once is for
:mod:`onnx_lippa.onnx_io.validation` to determine.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import onnx

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import ModelError, NodeProblem, Unsupported, UnsupportedModelError
from onnx_lippa.ir.layers.reshape import Reshape, merge_reshapes
from onnx_lippa.ir.network import Network, OutputActivation
from onnx_lippa.ir.passes import Step
from onnx_lippa.onnx_io.control_flow import UnrolledNode, Value, is_unrolled, require_tensor, unroll
from onnx_lippa.onnx_io.folding import fold, is_constant, require_finite
from onnx_lippa.onnx_io.graph import (
    STANDARD,
    check_form,
    full_name,
    names_read,
    needed_nodes,
    read_attributes,
    read_tensor,
    require_one_of_each_name,
    subgraphs,
)
from onnx_lippa.onnx_io.interface import Batch, Interface
from onnx_lippa.onnx_io.limits import DEFAULT_LIMITS, Budget, SizeLimits
from onnx_lippa.onnx_io.node import Computed, Constant, Conversion, NodeView, Operand
from onnx_lippa.onnx_io.operators.registry import converter_for, why_refused
from onnx_lippa.onnx_io.reader import ModelFile

_DEEPEST: Final = 16
"""How deep branches and loops may be nested."""
_TOO_LARGE: Final = "it needs more memory than there is: check its shapes and export it again"


class _DependsOnProblem(Exception):  # noqa: N818  # a signal, not an error
    """The node takes the result of one that could not be converted."""


@dataclass
class _Builder:
    """The network under construction: the value of every tensor name, and the problems.

    ``lost`` are the tensors of nodes with problems, and whether each is a constant; ``depth``
    counts nested subgraphs.
    """

    model: ModelFile
    interface: Interface
    budget: Budget
    operands: MutableMapping[str, Value] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    problems: list[NodeProblem] = field(default_factory=list)
    taken: frozenset[str] = frozenset()
    lost: MutableMapping[str, bool] = field(default_factory=dict)
    depth: int = 0

    def add_initializer(self, tensor: onnx.TensorProto) -> None:
        """Takes a weight of the graph, or notes why it cannot be used."""
        try:
            value = read_tensor(tensor)
            require_finite(value)
        except Unsupported as reason:
            self.problems.append(NodeProblem(tensor.name, "initializer", str(reason)))
            self.lost[tensor.name] = True
        else:
            self.operands[tensor.name] = Constant(value)

    def add(self, node: onnx.NodeProto) -> None:
        """Converts one node, or notes why it is not supported."""
        name = node.name or (node.output[0] if node.output else "?")
        op = full_name(node)
        try:
            self._convert(node, name)
            return
        except Unsupported as reason:
            self.problems.append(NodeProblem(name, op, str(reason)))
        except (MemoryError, OverflowError):
            self.problems.append(NodeProblem(name, op, _TOO_LARGE))
        except _DependsOnProblem:
            pass  # the node it needs is on the list already
        self.lost.update(dict.fromkeys(node.output, self._is_constant(node)))

    def _is_constant(self, node: onnx.NodeProto) -> bool:
        """Whether all operands of a node are constants."""
        return not subgraphs(node) and all(
            isinstance(self.operands.get(name), Constant) or self.lost.get(name, False)
            for name in node.input
            if name
        )

    def _convert(self, node: onnx.NodeProto, name: str) -> None:
        op, standard = full_name(node), node.domain in STANDARD
        if not standard and converter_for(op, self.model.opset) is None:
            raise Unsupported("operators outside the standard ONNX domain are not supported")
        values = self._values_for_known_op(node)
        if standard and is_unrolled(node.op_type):
            self._unroll(node, values)
            return
        if subgraphs(node):
            raise Unsupported("it holds a graph, which its operator has no use for: export again")
        said = "it takes a sequence, where its operator takes tensors: export again"
        operands = tuple(require_tensor(value, said) for value in values)
        if standard and is_constant(node.op_type, [isinstance(o, Computed) for o in operands]):
            self._fold(node, operands)
            return
        converter = converter_for(op, self.model.opset)
        if converter is None:
            raise Unsupported(_why_not(op, self.model.opset))
        if standard:
            check_form(node, self.model.opset)
        view = NodeView(
            node.op_type,
            operands,
            read_attributes(node),
            self.model.opset,
            sum(map(bool, node.output)),
            tuple(output in self.taken for output in node.output),
            limits=self.budget.limits,
        )
        converted = converter(view)
        results = converted if isinstance(converted, tuple) else (converted,)
        for tensor, result in zip(node.output, results, strict=False):
            if tensor:
                self._accept(node, name, tensor, operands, result)

    def _fold(self, node: onnx.NodeProto, operands: tuple[Operand, ...]) -> None:
        """Evaluates a node that depends at most on the shape of the input."""
        ir_version = self.model.proto.ir_version
        constants: list[AnyArray | None] = []
        for operand in operands:
            if isinstance(operand, Computed):  # zeros of its shape and type stand for it
                constants.append(np.zeros(operand.graph_shape, self.interface.dtype))
            else:
                constants.append(None if operand is None else operand.value)
        folded = fold(node, constants, self.model.opset, ir_version, self.budget)
        names = [output for output in node.output if output]
        self.operands.update(
            (output, Constant(value)) for output, value in zip(names, folded, strict=True)
        )

    def _unroll(self, node: onnx.NodeProto, values: tuple[Value, ...]) -> None:
        """Imports the nodes of a branch or a loop as if they were nodes of the graph itself."""
        graphs = {a.name: a.g for a in node.attribute if a.HasField("g")}
        if graphs and self.depth >= _DEEPEST:
            raise Unsupported(f"its branches and loops are nested more than {_DEEPEST} deep")
        attributes, limits = read_attributes(node), self.budget.limits
        view = UnrolledNode(
            node.op_type, values, attributes, graphs, self._import_graph, limits=limits
        )
        for name, value in zip(node.output, unroll(view), strict=False):
            if name:
                self.operands[name] = value

    def _import_graph(self, graph: onnx.GraphProto, given: Mapping[str, Value]) -> list[Value]:
        """The outputs of a subgraph, after its nodes are imported."""
        outputs = [value.name for value in graph.output]
        nodes = needed_nodes(graph, outputs)
        inner = replace(
            self,
            operands=ChainMap(dict(given), self.operands),
            taken=frozenset(outputs).union(*map(names_read, nodes)),
            lost=ChainMap({}, self.lost),
            depth=self.depth + 1,
        )
        before = len(self.problems)
        for tensor in graph.initializer:
            inner.add_initializer(tensor)
        self.budget.count_node()
        for node in nodes:
            self.budget.count_node()
            inner.add(node)
        if len(self.problems) > before or any(name in inner.lost for name in outputs):
            raise _DependsOnProblem
        for name in outputs:
            if name not in inner.operands:
                raise Unsupported(f"the output '{name}' of its graph is not computed in it")
        return [inner.operands[name] for name in outputs]

    def _values_for_known_op(self, node: onnx.NodeProto) -> tuple[Value, ...]:
        """The operands of a node; an unknown operator is reported even where these are missing."""
        missing = [name for name in node.input if name and name not in self.operands]
        if missing:
            op, standard = full_name(node), node.domain in STANDARD
            known_op = converter_for(op, self.model.opset) is not None or (
                standard and (is_constant(op, [True]) or is_unrolled(op))
            )
            if not known_op and not self._is_constant(node):
                raise Unsupported(_why_not(op, self.model.opset))
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
        converted: Conversion,
    ) -> None:
        computed = [
            operand
            for operand in (operands[position] for position in converted.inputs)
            if isinstance(operand, Computed)
        ]
        output_activation = self._output_activation(node, computed, converted)
        holds = _truth(computed, converted)
        batched = computed[0].batched if converted.batched is None else converted.batched
        layers = list(converted.layers)
        shape = layers[-1].shape if layers else computed[0].shape
        if not batched and len(shape) > 1 and shape[0] == 1:
            # A leading axis of extent 1 can be taken for the batch axis again.
            batched = True
            layers.append(Reshape(shape, shape[1:]))
            shape = shape[1:]
        layers = merge_reshapes(layers)
        inputs = tuple(source.index for source in computed)
        # Before an output activation the value is not the graph's tensor of that name.
        as_it_is = output_activation is OutputActivation.IDENTITY and holds is None
        named = tensor if as_it_is and self.depth == 0 else ""
        for layer in layers:
            self.budget.count_elements(layer.shape)
            computes = named if layer is layers[-1] else ""
            self.steps.append(Step(name, node.op_type, computes, layer, inputs))
            inputs = (len(self.steps),)
        self.operands[tensor] = Computed(inputs[0], shape, batched, output_activation, holds)

    def _output_activation(
        self, node: onnx.NodeProto, computed: list[Computed], converted: Conversion
    ) -> OutputActivation:
        """The output activation of the result, given those of the operands."""
        pending = {source.output_activation for source in computed} - {OutputActivation.IDENTITY}
        if not pending:
            return converted.output_activation or OutputActivation.IDENTITY
        # The node either continues the activation (1 - sigmoid) or keeps the scores in order.
        goes_on = pending == {converted.output_activation} and len(converted.layers) > 0
        keeps = converted.output_activation is None and converted.only_reshapes
        if goes_on or (len(pending) == 1 and keeps):
            return pending.pop()
        before = ", ".join(sorted(output_activation.value for output_activation in pending))
        raise Unsupported(
            f"it takes the result of a {before}, which is supported only as the very last step "
            "of a classifier"
        )


def _truth(computed: list[Computed], converted: Conversion) -> bool | None:
    """The truth value that the result is (see ``Computed.holds``), or None."""
    given = [source.holds for source in computed if source.holds is not None]
    if converted.takes_truth or not given:
        return converted.holds
    if len(computed) == 1 and converted.only_reshapes:
        return given[0]
    raise Unsupported(
        "it takes the truth of a comparison, which is supported only as the condition of a Where "
        "(or a factor of a Mul): export the model without it"
    )


def import_network(
    model: ModelFile, interface: Interface, limits: SizeLimits = DEFAULT_LIMITS
) -> Network:
    """The network of a model.

    Args:
        model: the model.
        interface: its input and output.
        limits: how large its tensors may become.

    Raises:
        ModelError: two tensors have one name, or the input is too large.
        UnsupportedModelError: lists every node that cannot be imported, with its reason.
    """
    nodes = needed_nodes(model.proto.graph, [interface.output_name])
    require_one_of_each_name(model.proto.graph, interface.input_name, nodes)
    try:
        limits.require_elements(interface.sample_shape, f"the input '{interface.input_name}'")
    except Unsupported as reason:
        raise ModelError(f"{reason}: check it and export the model again") from reason
    taken = frozenset({interface.output_name}).union(*map(names_read, nodes))
    builder = _Builder(model, interface, Budget(limits), taken=taken)
    builder.operands[interface.input_name] = Computed(
        0, interface.sample_shape, interface.batch is not Batch.ABSENT
    )
    for tensor in model.proto.graph.initializer:
        if tensor.name in taken:
            builder.add_initializer(tensor)
    if model.proto.graph.sparse_initializer:
        builder.problems.append(
            NodeProblem("sparse_initializer", "Constant", "sparse weights are not supported")
        )
    for node in nodes:
        builder.add(node)
    output = builder.operands.get(interface.output_name)
    said = None
    if not isinstance(output, Computed):
        said = None if builder.problems else "it does not depend on the input"
    elif output.holds is not None:
        said = "it is the truth of a comparison: export the model with the scores as its output"
    if said is not None:
        builder.problems.append(NodeProblem(interface.output_name, "output", said))
    if builder.problems or not isinstance(output, Computed):
        raise UnsupportedModelError(tuple(builder.problems))
    skipped = len(model.proto.graph.node) - len(nodes)
    return _prune(builder.steps, output, interface, skipped)


def _prune(steps: list[Step], output: Computed, interface: Interface, skipped: int) -> Network:
    """Only the steps that the output depends on, renumbered."""
    needed = {output.index}
    for index in range(output.index, 0, -1):
        if index in needed:
            needed.update(steps[index - 1].inputs)
    kept = sorted(needed - {0})
    position = {0: 0} | {index: place + 1 for place, index in enumerate(kept)}
    notes = []
    output_activation = output.output_activation
    if output_activation is not OutputActivation.IDENTITY:
        notes.append(
            f"the trailing {output_activation.value} is dropped for the attack, since it keeps the "
            "order of the classes; replays use the model as it is"
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
        output_activation,
        tuple(notes),
    )


def _why_not(op: str, opset: int) -> str:
    for newer in range(opset + 1, 32):
        if converter_for(op, newer) is not None:
            return (
                f"its form in opset {opset} is not supported, that of opset {newer} is: "
                "export with a newer opset"
            )
    return why_refused(op)
