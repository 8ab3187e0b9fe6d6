"""Damaged models, loaded one after the other in a process of its own.

ONNX Runtime may take the whole process down on a damaged model, and a damaged shape may ask for
any amount of memory, so this module is run by the test and not imported, as
``python -m tests.support.damaged_models KIND START STOP``. It prints one JSON object a line, the
first one naming the seed before anything is done with it.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
import warnings
from collections.abc import Callable

import numpy as np
import onnx
from onnx import numpy_helper

from onnx_lippa.errors import LippaError, ModelMismatchError
from tests.support.graphs import graph_model, load_model, node, normal

_MEMORY = 6 * 2**30
_OPS = ["Abs", "Add", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv", "Div",
        "Dropout", "Expand", "Flatten", "Gather", "Gemm", "Greater", "HardSigmoid", "Identity",
        "LeakyRelu", "Less", "LogSoftmax", "MatMul", "Max", "MaxPool", "Mean", "Min", "Mul", "Neg",
        "Not", "PRelu", "ReduceL1", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape",
        "Shape", "Sigmoid", "Sin", "Softmax", "Split", "Squeeze", "Sub", "Sum", "Transpose",
        "Unsqueeze", "Where"]  # fmt: skip
_ARITIES = {"BatchNormalization": 5, "Clip": 3, "Constant": 0, "Mean": 3, "Where": 3} | (
    dict.fromkeys(
        ("Add", "Concat", "Conv", "Div", "Expand", "Gather", "Gemm", "Greater", "Less", "MatMul",
         "Max", "Min", "Mul", "PRelu", "ReduceSum", "Reshape", "Sub", "Sum", "Unsqueeze"), 2,
    )
)  # fmt: skip


def dense() -> onnx.ModelProto:
    """Dense layers with a residual and a trailing softmax."""
    nodes = [
        node("Gemm", "x w b", "h", alpha=0.5, transB=1),
        node("LeakyRelu", "h", "r", alpha=0.1),
        node("Sub", "r x", "d"),
        node("Dropout", "d", "e"),
        node("MatMul", "e v", "f"),
        node("Softmax", "f", "y", axis=1),
    ]
    constants = {"w": normal(1, 4, 4), "b": normal(2, 4), "v": normal(3, 4, 3)}
    return graph_model(nodes, (4,), constants)


def images() -> onnx.ModelProto:
    """A convolution, a normalisation and a reshape by a computed constant."""
    tail = numpy_helper.from_array(np.array([-1]))
    nodes = [
        node("Conv", "x w b", "c", strides=[2, 1], pads=[1, 0, 1, 1], kernel_shape=[2, 2]),
        node("BatchNormalization", "c s t m v", "n", epsilon=1e-3),
        node("Relu", "n", "r"),
        node("Transpose", "r", "p", perm=[0, 2, 3, 1]),
        node("Constant", [], "tail", value=tail),
        node("Concat", "zero tail", "shape", axis=0),
        node("Reshape", "p shape", "q"),
        node("Gemm", "q g", "z"),
        node("Div", "z k", "y"),
    ]
    constants = {
        "w": normal(1, 2, 1, 2, 2),
        "b": normal(2, 2),
        "s": normal(3, 2),
        "t": normal(4, 2),
        "m": normal(5, 2),
        "v": np.abs(normal(6, 2)) + 0.1,
        "zero": np.array([0]),
        "g": normal(7, 18, 3),
        "k": np.float32(2.0),
    }
    return graph_model(nodes, (1, 4, 3), constants, batch=1)


def damaged_bytes(generator: np.random.Generator) -> bytes:
    """A model with a few bytes changed, removed, inserted or repeated."""
    content = bytearray(_some_model(generator).SerializeToString())
    for _ in range(int(generator.integers(1, 5))):
        place = int(generator.integers(len(content)))
        length = int(generator.integers(1, 9))
        match generator.integers(5):
            case 0:
                content[place] = int(generator.integers(256))
            case 1:
                content[place] ^= 1 << int(generator.integers(8))
            case 2:
                del content[place : place + length]
            case 3:
                content[place:place] = generator.bytes(length)
            case _:
                content[place:place] = content[place : place + length]
    return bytes(content)


def damaged_graph(generator: np.random.Generator) -> bytes:
    """A model that parses but has nodes, attributes or weights exchanged."""
    model = _some_model(generator)
    for _ in range(int(generator.integers(1, 4))):
        _CHANGES[generator.integers(len(_CHANGES))](generator, model.graph)
    if generator.random() < 0.1:
        model.opset_import[0].version = int(generator.integers(0, 30))
    return model.SerializeToString()


def random_graph(generator: np.random.Generator) -> bytes:
    """Random operators on random tensors, with random constants and attributes."""
    sample = [int(n) for n in generator.integers(1, 5, size=int(generator.integers(1, 4)))]
    constants = {}
    for place in range(4):
        rank = int(generator.integers(0, 5))
        shape = [int(generator.choice([1, *sample])) for _ in range(rank)]
        constants[f"c{place}"] = generator.normal(size=shape).astype(np.float32)
    constants["s"] = np.array(generator.choice([[0, -1], [-1, 2], [1, -1], [2, 3]]))
    names = ["x", *constants]
    nodes: list[onnx.NodeProto] = []
    for place in range(int(generator.integers(1, 6))):
        op = str(generator.choice(_OPS))
        inputs = [str(generator.choice(names)) for _ in range(_ARITIES.get(op, 1))]
        if inputs and generator.random() < 0.8:
            inputs[0] = nodes[-1].output[0] if nodes else "x"
        nodes.append(node(op, inputs, f"t{place}"))
        _random_attribute(generator, nodes[-1])
        names.append(f"t{place}")
    nodes.append(node("Flatten", f"t{len(nodes) - 1}", "y"))
    opset = int(generator.choice([7, 11, 13, 17]))
    batch = generator.choice(["batch", "1"])
    return graph_model(
        nodes, sample, constants, opset=opset, batch=1 if batch == "1" else "batch"
    ).SerializeToString()


def _some_model(generator: np.random.Generator) -> onnx.ModelProto:
    return (dense, images)[generator.integers(2)]()


def _random_attribute(generator: np.random.Generator, one: onnx.NodeProto) -> None:
    names = ["axis", "alpha", "perm", "transB", "strides", "pads", "epsilon", "group", "auto_pad",
             "axes", "keepdims", "to", "kernel_shape", "min"]  # fmt: skip
    values = [0, 1, -1, 2, 0.5, [1, 1], [0, 1], [0, 2, 1], "SAME_UPPER", 2**40, [-3, 2**33], [1]]
    if generator.random() < 0.3:
        name = names[generator.integers(len(names))]
        value = values[generator.integers(len(values))]
        one.attribute.append(onnx.helper.make_attribute(name, value))


def _drop_node(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    if graph.node:
        del graph.node[int(generator.integers(len(graph.node)))]


def _change_op(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    if graph.node:
        one = graph.node[int(generator.integers(len(graph.node)))]
        one.op_type = str(generator.choice(_OPS))


def _change_input(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    names = [name for one in graph.node for name in one.output]
    names += ["x", "", "ghost", *(tensor.name for tensor in graph.initializer)]
    users = [one for one in graph.node if one.input]
    if users:
        one = users[int(generator.integers(len(users)))]
        one.input[int(generator.integers(len(one.input)))] = str(generator.choice(names))


def _change_attribute(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    owners = [one for one in graph.node if one.attribute]
    if not owners:
        return
    one = owners[int(generator.integers(len(owners)))]
    attribute = one.attribute[int(generator.integers(len(one.attribute)))]
    numbers = [-(2**62), -2, -1, 0, 1, 2, 3, 100, 2**31, 2**62]
    if attribute.ints:
        place = int(generator.integers(len(attribute.ints)))
        attribute.ints[place] = numbers[generator.integers(len(numbers))]
    elif attribute.HasField("i"):
        attribute.i = numbers[generator.integers(len(numbers))]
    elif attribute.HasField("f"):
        attribute.f = float(generator.choice([0.0, -1.0, np.nan, np.inf, 1e38, 1e-40]))


def _add_attribute(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    if graph.node:
        _random_attribute(generator, graph.node[int(generator.integers(len(graph.node)))])


def _change_weight(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    tensor = graph.initializer[int(generator.integers(len(graph.initializer)))]
    shapes = [(), (1,), (4,), (0,), (4, 4), (1, 4), (2, 1, 2, 2), (18, 3), (5, 4), (1, 1, 1, 1, 4)]
    shape = shapes[generator.integers(len(shapes))]
    kinds = [np.float32, np.float32, np.float32, np.float64, np.int64, np.bool_]
    kind = kinds[generator.integers(len(kinds))]
    value: np.ndarray = (1e3 * generator.normal(size=shape)).astype(kind)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), tensor.name))


def _change_dims(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    tensor = graph.initializer[int(generator.integers(len(graph.initializer)))]
    if tensor.dims:
        place = int(generator.integers(len(tensor.dims)))
        tensor.dims[place] = int(generator.choice([-1, 0, 1, 7, 2**31, 2**62]))


def _change_input_shape(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    axes = graph.input[0].type.tensor_type.shape.dim
    axis = axes[int(generator.integers(len(axes)))]
    axis.dim_value = int(generator.choice([-1, 0, 1, 2, 5, 1000, 2**62]))


def _repeat_node(generator: np.random.Generator, graph: onnx.GraphProto) -> None:
    if graph.node:
        graph.node.append(graph.node[int(generator.integers(len(graph.node)))])


_CHANGES: list[Callable[[np.random.Generator, onnx.GraphProto], None]] = [
    _drop_node,
    _change_op,
    _change_input,
    _change_input,
    _change_attribute,
    _change_attribute,
    _add_attribute,
    _change_weight,
    _change_dims,
    _change_input_shape,
    _repeat_node,
]

KINDS = {"bytes": damaged_bytes, "graph": damaged_graph, "random": random_graph}


def outcome(content: bytes) -> str:
    """What becomes of one model: ``loaded``, ``refused``, or what went wrong."""
    try:
        model = load_model(content)
    except ModelMismatchError as error:
        return f"imported wrongly: {error}"
    except LippaError as error:
        return "refused" if str(error).strip() else "refused without a word"
    x = np.random.default_rng(1).uniform(0.0, 1.0, (3, model.network.input_size))
    ours = model.network.output_activation.apply(model.network.forward(x))
    theirs = model.runtime.forward(x.astype(np.float32))
    scale = float(np.max(np.abs(ours), initial=1e-30))
    if ours.shape != theirs.shape or np.max(np.abs(ours - theirs), initial=0.0) > 1e-3 * scale:
        return "loaded, but differs from ONNX Runtime"
    gradient = model.gradient.value_and_gradient(
        x.astype(np.float32), np.ones((3, model.network.output_size), np.float32)
    )[1]
    return "loaded" if gradient.shape == x.shape else "loaded, but without a gradient"


def main(kind: str, start: int, stop: int) -> None:
    """Prints the outcome of every seed."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("error", RuntimeWarning)
    for seed in range(start, stop):
        _report({"seed": seed})
        generator = np.random.default_rng([list(KINDS).index(kind), seed])
        try:
            result = outcome(KINDS[kind](generator))
        except Exception:  # noqa: BLE001  # what it is, is the finding
            result = traceback.format_exc()
        _report({"seed": seed, "outcome": result})


def _report(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
