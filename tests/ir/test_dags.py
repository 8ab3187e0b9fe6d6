"""Random directed graphs of layers: forward, gradient and pruning."""

from typing import Any

import numpy as np
import onnx
import pytest

from tests.support.graphs import graph_model, load_model, node, normal
from tests.support.layers import check_model


def random_dag(seed: int) -> tuple[onnx.ModelProto, int]:
    """A graph in which any tensor may be used any number of times, and its live steps."""
    generator = np.random.default_rng(seed)
    widths, constants = {"x": 3}, {}
    nodes: list[onnx.NodeProto] = []

    def new(op: str, inputs: list[str], width: int, **attributes: Any) -> None:
        name = f"t{len(nodes)}"
        nodes.append(node(op, inputs, name, **attributes))
        widths[name] = width

    for place in range(int(generator.integers(5, 14))):
        source = str(generator.choice(list(widths)))
        mates = [t for t in widths if widths[t] in (widths[source], 1) or widths[source] == 1]
        mate = str(generator.choice(mates))
        width = max(widths[source], widths[mate])
        match generator.integers(5):
            case 0:
                outputs = int(generator.integers(1, 4))
                constants[f"w{place}"] = normal(seed + place, widths[source], outputs)
                constants[f"c{place}"] = normal(seed + place, outputs)
                new("Gemm", [source, f"w{place}", f"c{place}"], outputs)
            case 1:
                new("Relu", [source], widths[source])
            case 2:
                new("LeakyRelu", [source], widths[source], alpha=0.3)
            case 3:
                new("Add", [source, mate], width)
            case _:
                new("Sub", [source, mate], width)
    last = nodes[-1].output[0]
    constants["w"] = normal(seed, widths[last], 2)
    nodes.append(node("MatMul", [last, "w"], "y"))
    return graph_model(nodes, (3,), constants), live_nodes(nodes)


def live_nodes(nodes: list[onnx.NodeProto]) -> int:
    """How many nodes the last one depends on, itself included."""
    live = {nodes[-1].output[0]}
    for one in reversed(nodes):
        if one.output[0] in live:
            live.update(one.input)
    return sum(one.output[0] in live for one in nodes)


@pytest.mark.parametrize("seed", range(40))
def test_random_graph(seed):
    model, live = random_dag(seed)
    network = check_model(model, batches=("batch",))
    assert len(network.steps) == live
    dead = len(model.graph.node) - live
    count = "1 node" if dead == 1 else f"{dead} nodes"
    expected = (f"{count} that 'y' does not depend on left out",) if dead else ()
    assert network.notes == expected
    assert all(max(step.inputs) <= place for place, step in enumerate(network.steps))


def test_residual_block():
    nodes = [
        node("Gemm", "x w c", "a"),
        node("Relu", "a", "b"),
        node("Gemm", "b v", "d"),
        node("Add", "d x", "e"),
        node("Relu", "e", "f"),
        node("Sub", "f a", "y"),
    ]
    constants = {"w": normal(1, 3, 3), "c": normal(2, 3), "v": normal(3, 3, 3)}
    network = check_model(graph_model(nodes, (3,), constants))
    assert network.units == 6
    assert network.parameters == 21
    assert [step.inputs for step in network.steps] == [(0,), (1,), (2,), (3, 0), (4,), (5, 1)]


def test_residual_block_of_convolutions():
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "a s b m v", "n"),
        node("Relu", "n", "r"),
        node("Conv", "r k", "c", pads=[1, 1, 1, 1]),
        node("Conv", "x p", "q"),
        node("Add", "c q", "d"),
        node("Relu", "d", "e"),
        node("Flatten", "e", "y"),
    ]
    constants = {
        "w": normal(1, 3, 2, 3, 3),
        "s": normal(2, 3),
        "b": normal(3, 3),
        "m": normal(4, 3),
        "v": np.abs(normal(5, 3)),
        "k": normal(6, 3, 3, 3, 3),
        "p": normal(7, 3, 2, 1, 1),
    }
    check_model(graph_model(nodes, (2, 4, 4), constants))


def test_dead_branches_leave_no_step():
    nodes = [
        node("Relu", "x", "a"),
        node("Gemm", "x w", "dead"),
        node("Relu", "dead", "dead2"),
        node("Add", "dead2 a", "dead3"),
        node("Gemm", "a w", "y"),
    ]
    network = load_model(graph_model(nodes, (3,), {"w": normal(1, 3, 3)})).network
    assert [step.tensor for step in network.steps] == ["a", "y"]
    assert network.notes == ("3 nodes that 'y' does not depend on left out",)


def test_dead_layers_behind_the_output_leave_no_step():
    nodes = [node("Relu", "x", "y"), node("Gemm", "y w", "dead")]
    network = load_model(graph_model(nodes, (3,), {"w": normal(1, 3, 2)})).network
    assert [step.tensor for step in network.steps] == ["y"]
    assert network.output_shape == (3,)


def test_the_input_is_the_output():
    network = check_model(graph_model([node("Identity", "x", "y")], (3,)))
    assert network.steps == ()
    assert network.output_shape == network.input_shape == (3,)
    assert network.units == network.parameters == 0
    assert network.pattern(np.zeros(3)).states == ()


def test_terms_that_cancel():
    nodes = [node("Relu", "x", "a"), node("Sub", "a a", "b"), node("Add", "b x", "y")]
    network = check_model(graph_model(nodes, (3,)))
    _, gradient = network.value_and_gradient(np.ones((1, 3)), np.ones((1, 3)))
    np.testing.assert_array_equal(gradient, np.ones((1, 3)))
