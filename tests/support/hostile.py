"""Small models that would take all memory, never end, or end the process that loads them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.graphs import graph_model, node, normal

ESCAPES = "\x1b[2J\x1b]0;title\x07\r\x9b31m\nerror: fake"
FLOATS = {"w": normal(1, 4, 3), "c": normal(2, 3)}
LAST = node("Gemm", "x w c", "y")


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def with_constant(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """A model that adds the largest entry of a constant ``k`` to its scores."""
    ending = [node("ReduceMax", "k", "m", keepdims=0), node("Gemm", "x w c", "g"),
              node("Add", "g m", "y")]  # fmt: skip
    return graph_model([*nodes, *ending], (4,), FLOATS | constants)


def with_layer(
    *nodes: onnx.NodeProto, sample: tuple[int, ...] = (4,), **constants: np.ndarray
) -> onnx.ModelProto:
    """A model whose layers make a tensor ``t`` of which it takes the sum."""
    ending = [node("Flatten", "t", "f"), node("ReduceSum", "f last", "s", keepdims=1),
              node("Concat", "s s", "y", axis=1)]  # fmt: skip
    return graph_model([*nodes, *ending], sample, {"last": ints(1)} | constants)


def chain(op: str, count: int, start: str, end: str, **attributes: int) -> list[onnx.NodeProto]:
    """``op(v, v)`` again and again."""
    names = [start, *(f"d{i}" for i in range(count - 1)), end]
    return [node(op, [a, a], b, **attributes) for a, b in pairwise(names)]


def body(nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [node("Identity", "ci", "co"), *nodes], "body",
        [value("i", TensorProto.INT64, []), value("ci", TensorProto.BOOL, []),
         value("vi", TensorProto.FLOAT, None)],
        [value("co", TensorProto.BOOL, []), value("vo", TensorProto.FLOAT, None)],
    )  # fmt: skip


def functions(count: int, recursive: bool) -> onnx.ModelProto:
    """Each calls the next one twice; or the last one the first."""
    model = graph_model([node("F0", "x", "y", domain="my")], (4,))
    model.opset_import.append(helper.make_opsetid("my", 1))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    for place in range(count):
        last = place == count - 1
        callee = ("F0" if recursive else "Relu") if last else f"F{place + 1}"
        domain = "" if callee == "Relu" else "my"
        inner = [helper.make_node(callee, ["a"], ["t"], domain=domain),
                 helper.make_node(callee, ["t"], ["b"], domain=domain)]  # fmt: skip
        model.functions.append(helper.make_function("my", f"F{place}", ["a"], ["b"], inner, opsets))
    return model


def broken_weight(dims: list[int], raw: bytes = b"", **fields: Any) -> onnx.ModelProto:
    model = graph_model([LAST], (4,), FLOATS)
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(TensorProto(name="w", data_type=1, dims=dims, raw_data=raw))
    for key, value in fields.items():
        setattr(tensor, key, value)
    return model


def external(location: str) -> onnx.ModelProto:
    model = broken_weight([4, 3], data_location=TensorProto.EXTERNAL)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    for key, value in (("location", location), ("offset", "0"), ("length", "48")):
        tensor.external_data.add(key=key, value=value)
    return model


def nested(depth: int) -> onnx.ModelProto:
    value = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    graph = helper.make_graph([node("Relu", "x", "o")], "g", [], [value])
    for _ in range(depth):
        inner = (
            node("If", "b", "o", then_branch=graph, else_branch=graph)
            if depth < 10
            else (
                node(
                    "If",
                    "b",
                    "o",
                    then_branch=graph,
                    else_branch=helper.make_graph([node("Relu", "x", "o")], "g", [], [value]),
                )
            )
        )
        graph = helper.make_graph([inner], "g", [], [value])
    top = [node("If", "b", "a", then_branch=graph, else_branch=graph), node("Gemm", "a w c", "y")]
    return graph_model(top, (4,), FLOATS | {"b": np.array(True)})


def sparse() -> onnx.ModelProto:
    model = with_constant(node("Neg", "q", "k"))
    value = helper.make_tensor("q", TensorProto.FLOAT, [1], [1.0])
    index = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    made = helper.make_sparse_tensor(value, index, [10**6, 10**6])
    model.graph.sparse_initializer.append(made)
    return model


def sparse_constant() -> onnx.ModelProto:
    value = helper.make_tensor("q", TensorProto.FLOAT, [1], [1.0])
    index = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    made = helper.make_sparse_tensor(value, index, [10**5, 10**6])
    return with_constant(node("Constant", [], "k", sparse_value=made))


def named(name: str) -> onnx.ModelProto:
    made = graph_model([LAST], (4,), FLOATS)
    made.graph.node[0].name = name
    return made


def unsupported_named(name: str) -> onnx.ModelProto:
    made = graph_model([node("Erf", "x", "e"), node("Gemm", "e w c", "y")], (4,), FLOATS)
    made.graph.node[0].name = name
    return made


def renamed_output(name: str) -> onnx.ModelProto:
    made = graph_model([LAST, node("Neg", "y", name)], (4,), FLOATS)
    made.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return made


def zip_map(inputs: list[str]) -> onnx.ModelProto:
    made = graph_model(
        [node("Relu", "x", "r"), node("ZipMap", inputs, "y", domain="ai.onnx.ml")], (4,)
    )
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return made


def batch_select() -> onnx.ModelProto:
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Greater", "n many", "big"),
        node("Where", "big minus plus", "sign"), node("MatMul", "x w", "a"),
        node("Mul", "a sign", "y"),
    ]  # fmt: skip
    constants = FLOATS | {"zero": np.int64(0), "many": np.int64(9), "minus": np.float32(-1),
                          "plus": np.float32(1)}  # fmt: skip
    return graph_model(nodes, (4,), constants)


def twice() -> onnx.ModelProto:
    made = graph_model([LAST], (4,), FLOATS)
    made.graph.initializer.append(numpy_helper.from_array(-FLOATS["w"], "w"))
    return made


def attribute(**fields: Any) -> onnx.ModelProto:
    made = graph_model([LAST], (4,), FLOATS)
    made.graph.node[0].attribute.append(onnx.AttributeProto(name="alpha", type=1, **fields))
    return made


B = np.array(True)
IMAGE = (1, 4, 4)
MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    # constants
    "constant of shape": lambda: with_constant(
        node("ConstantOfShape", "n", "k"), n=ints(1000, 1000, 1500)),
    "tiled constant": lambda: with_constant(node("Tile", "w n", "k"), n=ints(10**5, 10**5)),
    "expanded constant": lambda: with_constant(node("Expand", "w n", "k"), n=ints(10**9, 4, 3)),
    "range": lambda: with_constant(
        node("Range", "a b d", "r"), node("Cast", "r", "k", to=1),
        a=np.int64(0), b=np.int64(10**11), d=np.int64(1)),
    "padded constant": lambda: with_constant(node("Pad", "w n", "k"), n=ints(0, 0, 10**6, 10**6)),
    "resized constant": lambda: with_constant(
        node("Resize", ["v", "", "n"], "k"), v=normal(1, 1, 1, 4, 4),
        n=np.array([1, 1, 1e5, 1e5], np.float32)),
    "one hot": lambda: with_constant(
        node("OneHot", "i n v", "k"), i=ints(*range(100)), n=ints(10**9),
        v=np.array([0, 1], np.float32)),
    "gathered constant": lambda: with_constant(
        node("ConstantOfShape", "n", "i0"), node("Cast", "i0", "i", to=7),
        node("Gather", "v i", "k"), n=ints(5 * 10**6), v=normal(1, 4, 1000)),
    "window": lambda: with_constant(node("HannWindow", "n", "k"), n=np.int64(10**11)),
    "doubled constant": lambda: with_constant(*chain("Concat", 40, "w", "k", axis=0)),
    "products": lambda: with_constant(
        node("ConstantOfShape", "n", "q"), *chain("MatMul", 100, "q", "k"), n=ints(4000, 4000)),
    "convolved constant": lambda: with_constant(
        node("ConstantOfShape", "n", "q"), node("ConstantOfShape", "n", "p"),
        node("Conv", "q p", "k", pads=[999, 999, 999, 999]), n=ints(1, 1, 2000, 2000)),
    "outer product": lambda: with_constant(
        node("ConstantOfShape", "n", "q"), node("Einsum", "q q q", "k", equation="a,b,c->abc"),
        n=ints(20_000)),
    "sparse constant": sparse_constant,
    "sparse initialiser": sparse,
    "loop without end": lambda: with_constant(
        node("Loop", ["", "b", "w"], "k", body=body([node("Neg", "vi", "vo")])), b=B),
    "loop of 10 billion": lambda: with_constant(
        node("Loop", "n b w", "k", body=body([node("Neg", "vi", "vo")])), b=B, n=ints(10**10)),
    "loop that doubles": lambda: with_constant(
        node("Loop", "n b w", "k", body=body([node("Concat", "vi vi", "vo", axis=0)])),
        b=B, n=ints(60)),
    "branches in branches": lambda: nested(30),
    # layers
    "doubled": lambda: with_layer(*chain("Concat", 45, "x", "t", axis=1)),
    "added to itself": lambda: with_layer(*chain("Add", 200, "x", "t")),
    "tiled": lambda: with_layer(node("Tile", "x n", "t"), n=ints(1, 10**7)),
    "expanded": lambda: with_layer(
        node("Unsqueeze", "x n", "u"), node("Expand", "u m", "t"), n=ints(1),
        m=ints(1, 10**9, 4)),
    "padded": lambda: with_layer(node("Pad", "x n", "t"), n=ints(0, 10**10, 0, 0)),
    "padded by its edge": lambda: with_layer(
        node("Pad", "x n", "t", mode="edge"), n=ints(0, 10**10, 0, 10**10)),
    "resized": lambda: with_layer(
        node("Resize", ["x", "", "n"], "t", mode="linear"), sample=IMAGE,
        n=np.array([1, 1, 1000, 1000], np.float32)),
    "resized to the nearest": lambda: with_layer(
        node("Resize", ["x", "", "", "n"], "t"), sample=IMAGE, n=ints(1, 1, 10**9, 10**9)),
    "resized beyond all numbers": lambda: with_layer(
        node("Resize", ["x", "", "n"], "t"), sample=IMAGE,
        n=np.array([1, 1, 3e38, 3e38], np.float32)),
    "one entry taken often": lambda: with_layer(
        node("Expand", "zero n", "i"), node("Tile", "x m", "long"),
        node("Gather", "long i", "t", axis=1), zero=ints(0), n=ints(10**5), m=ints(1, 10**5)),
    "convolution in the padding": lambda: with_layer(
        node("Conv", "x v", "t", pads=[10**6] * 4), sample=IMAGE, v=normal(1, 1, 1, 3, 3)),
    "spread apart": lambda: with_layer(
        node("ConvTranspose", "x v", "t", strides=[10**6, 10**6]), sample=IMAGE,
        v=normal(1, 1, 1, 3, 3)),
    "pool of the padding": lambda: with_layer(
        node("AveragePool", "x", "t", kernel_shape=[10**6] * 2, pads=[10**6 - 1] * 4),
        sample=IMAGE),
    "maxima of the padding": lambda: with_layer(
        node("MaxPool", "x", "t", kernel_shape=[5000] * 2, pads=[4999] * 4), sample=IMAGE),
    "broadcast": lambda: with_layer(
        node("ConstantOfShape", "n", "k"), node("Add", "x k", "a"),
        node("Unsqueeze", "a one", "u"), node("Unsqueeze", "a two", "v"), node("Max", "u v", "t"),
        n=ints(10**4, 4), one=ints(1), two=ints(0)),
    "outer": lambda: with_layer(
        node("ConstantOfShape", "n", "k"),
        node("Einsum", "x k", "t", equation="bi,jk->bijk"), n=ints(3000, 3000)),
    # structure
    "a billion features": lambda: graph_model(
        [node("ReduceSum", "x", "t", keepdims=1), node("Concat", "t t", "y", axis=1)], (10**9,)),
    "302 axes": lambda: graph_model([node("Relu", "x", "y")], (1,) * 300 + (4,)),
    "reshaped to 100 axes": lambda: with_layer(
        node("Reshape", "x n", "t"), n=ints(*(1,) * 100, 4)),
    "negative extents": lambda: broken_weight([-1, 3], FLOATS["w"].tobytes()),
    "extents without data": lambda: broken_weight([2**31, 2**31]),
    "too little data": lambda: broken_weight([4, 3], b"1234"),
    "an unknown type": lambda: broken_weight([4, 3], FLOATS["w"].tobytes(), data_type=99),
    "a name twice": twice,
    "a node on itself": lambda: graph_model([node("Add", "x y", "y")], (4,)),
    "two nodes on each other": lambda: graph_model(
        [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Add", "a b", "y")], (4,)),
    "containers of each other": lambda: zip_map(["y"]),
    "a container of nothing": lambda: zip_map([]),
    "functions without end": lambda: functions(30, recursive=False),
    "a function of itself": lambda: functions(3, recursive=True),
    "a reference outside functions": lambda: attribute(ref_attr_name="foo"),
    "an infinite attribute": lambda: attribute(f=float("inf")),
    "an attribute that is no number": lambda: attribute(f=float("nan")),
    "outputs by the size of the batch": batch_select,
    "a device for weights": lambda: external("/dev/zero"),
    "weights above the folder": lambda: external("../../../../etc/passwd"),
    # names
    "names that steer the terminal, refused": lambda: unsupported_named(ESCAPES),
    "outputs that steer the terminal": lambda: renamed_output(ESCAPES),
    "a name of ten megabytes, refused": lambda: unsupported_named("A" * 10_000_000),
    "outputs of ten megabytes": lambda: renamed_output("B" * 10_000_000),
}  # fmt: skip
"""All of these are refused."""

ACCEPTED: dict[str, Callable[[], onnx.ModelProto]] = {
    "names that steer the terminal": lambda: named(ESCAPES),
    "a name of ten megabytes": lambda: named("C" * 10_000_000),
    "a node that nobody needs": lambda: graph_model(
        [node("Relu", "x", "a"), node("Max", ["a", ""], "q"), node("Gemm", "a w c", "y")],
        (4,), FLOATS),
    "functions that nobody calls": lambda: _without_calls(functions(30, recursive=True)),
}  # fmt: skip
"""These are harmless once what nobody needs is left out and names are written out."""


def _without_calls(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.node[0].CopyFrom(node("Relu", "x", "y"))
    return model
