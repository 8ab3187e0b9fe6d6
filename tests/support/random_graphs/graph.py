"""Whole graphs: a style, an input, some families one after the other, and scores at the end."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt

import numpy as np
import onnx
from onnx import helper, shape_inference

from tests.support.random_graphs.draft import Draft, Shape, Style, Tensor, fragment_model
from tests.support.random_graphs.draws import Draws
from tests.support.random_graphs.runtime import Unusable, check, near, rows_through
from tests.support.random_graphs.table import WEIGHTS, Family

ROWS = 5
"""Sample rows that shapes and scales are read off from."""
OLDEST_OPSET, NEWEST_OPSET = 7, 21
_IR_VERSIONS = {7: 3, 9: 4, 10: 5, 11: 6, 12: 7, 15: 8, 19: 9, 21: 10}
"""The file format in which an opset came out, for the opset and those after it."""
_MOST_INPUTS = 32
_EXTENTS = [1, 1, 2, 2, 3, 3, 4, 4, 5, 6]
_SOURCES = 3
"""Tensors on which a family is tried."""
_FAILURES = 40
"""Families in a row that may fail before the graph is taken as it is."""


def graph_of_seed(
    seed: int, size: int | None = None, weights: Mapping[Family, float] = WEIGHTS
) -> onnx.ModelProto:
    """The graph of a seed."""
    return random_graph(np.random.default_rng(seed), size, weights)


def random_graph(
    generator: np.random.Generator,
    size: int | None = None,
    weights: Mapping[Family, float] = WEIGHTS,
) -> onnx.ModelProto:
    """A random piecewise-linear model of one float32 input and one output (batch, scores).

    Now and then Softmax, LogSoftmax or Sigmoid follows the scores.

    It passes onnx.checker, runs in ONNX Runtime with and without optimisations, and each row of
    its output depends on the same row of its input alone. What is drawn depends on the generator
    alone (and on which models this version of ONNX Runtime refuses).

    Args:
        generator: makes all choices.
        size: how many families are applied; by default 2 to 14.
        weights: how often each family is drawn.
    """
    while True:
        draft = _begun(generator)
        _grow(draft, size or draft.integer(2, 14), weights)
        if not draft.apply(_scores, draft.open[-1]):
            continue
        if draft.chance(0.06):
            draft.apply(_probabilities, draft.open[-1], scaled=False)
        output = draft.open[-1]
        if not draft.chance(0.8):  # a branch from which nothing leads to the output
            _grow(draft, 1, weights)
        try:
            model = _model(draft, output)
            _check(draft, model, output)
        except Unusable:
            continue
        return model


def _begun(generator: np.random.Generator) -> Draft:
    draws = Draws(generator)
    style = _style(draws)
    shape = _input_shape(draws)
    x = generator.uniform(-1.0, 1.0, (ROWS, *shape)).astype(np.float32)
    return Draft(generator, style, x)


def _style(draws: Draws) -> Style:
    opset = draws.integer(OLDEST_OPSET, NEWEST_OPSET)
    oldest = _IR_VERSIONS[max(since for since in _IR_VERSIONS if since <= opset)]
    ir_version = oldest if draws.chance(0.5) else max(oldest, draws.pick([8, 9, 10]))
    return Style(
        opset=opset,
        ir_version=ir_version,
        batch=draws.pick(["batch", "batch", 1, 1, "N", "unk__0", None]),
        input_name=draws.pick(["x", "x", "input.1", "images:0"]),
        listed=ir_version < 4 or draws.chance(0.15),
        constant_nodes=draws.pick([0.0, 0.0, 0.3, 1.0]),
        wrapped=draws.pick([0.0, 0.0, 0.2]),
        named=draws.chance(0.7),
        annotated=draws.chance(0.3),
        shaped=draws.chance(0.6),
    )


def _input_shape(draws: Draws) -> Shape:
    while True:
        rank = draws.pick([1, 1, 2, 2, 3, 3, 3, 4])
        shape = tuple(draws.pick(_EXTENTS) for _ in range(rank))
        if 2 <= prod(shape) <= _MOST_INPUTS:
            return shape


def _grow(draft: Draft, size: int, weights: Mapping[Family, float]) -> None:
    """Applies some families, each to a tensor it can be applied to."""
    families, chances = list(weights), np.array(list(weights.values()))
    chances = chances / chances.sum()
    failures = 0
    while size and failures < _FAILURES:
        family = families[draft.generator.choice(len(families), p=chances)]
        if any(draft.apply(family, draft.source()) for _ in range(_SOURCES)):
            size, failures = size - 1, 0
        else:
            failures += 1


def _scores(draft: Draft, last: Tensor) -> str:
    """Two to five scores from the last tensor and from most that nothing takes yet."""
    if last.rank == 2 and 2 <= last.shape[0] <= 5 and draft.chance(0.2):
        return draft.add("Identity", [last])
    loose = [t for t in draft.unused() if t is not last and draft.chance(0.7)]
    vectors = [_as_vector(draft, tensor) for tensor in [last, *loose]]
    joined = draft.add("Concat", vectors, axis=1) if len(vectors) > 1 else vectors[0]
    width = prod(last.shape) + sum(prod(t.shape) for t in loose)
    classes = draft.integer(2, 5)
    weight = draft.normal(width, classes, scale=1 / sqrt(width))
    bias = draft.normal(classes, scale=0.3)
    if draft.chance(0.5):
        return draft.add("Gemm", [joined, draft.constant(weight), draft.constant(bias)])
    product = draft.add("MatMul", [joined, draft.constant(weight)])
    return draft.add("Add", [product, draft.constant(bias)]) if draft.chance(0.6) else product


def _probabilities(draft: Draft, scores: Tensor) -> str:
    """What classifiers may end with."""
    op = draft.pick(["Softmax", "LogSoftmax", "Sigmoid"])
    if op == "Sigmoid":
        return draft.add(op, [scores])
    return draft.add(op, [scores], **draft.sparse(axis=(1, -1 if draft.opset >= 13 else 1)))


def _as_vector(draft: Draft, tensor: Tensor) -> Tensor | str:
    if tensor.rank == 2:
        return tensor
    if draft.chance(0.5):
        return draft.add("Flatten", [tensor])
    batch = 1 if draft.style.fixed and draft.chance(0.3) else 0
    return draft.add("Reshape", [tensor, draft.ints([batch, -1])])


def _model(draft: Draft, output: Tensor) -> onnx.ModelProto:
    """The whole graph in its style."""
    x, style = draft.open[0], draft.style
    model = fragment_model(draft.accepted, style, {x.name: x.values}, [output.name])
    model.ir_version = style.ir_version
    model.producer_name = "random_graphs"
    graph = model.graph
    shape = output.shape if style.shaped else [None] * len(output.shape)
    graph.output[0].CopyFrom(style.described(output.name, shape))
    if style.listed:
        listed = [
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            for tensor in draft.accepted.constants
        ]
        inputs = [*graph.input, *listed] if draft.chance(0.7) else [*listed, *graph.input]
        del graph.input[:]
        graph.input.extend(inputs)
    return shape_inference.infer_shapes(model) if style.annotated else model


def _check(draft: Draft, model: onnx.ModelProto, output: Tensor) -> None:
    """Raises Unusable unless the whole runs as its fragments did, elsewhere as well."""
    check(model)
    x, fixed = draft.open[0], draft.style.fixed
    for optimised in (False, True):
        (found,) = rows_through(model, {x.name: x.values}, fixed, optimised)
        if not near(found, output.values):
            raise Unusable("the runtime's optimisations change the output")
    elsewhere = draft.generator.uniform(0.0, 1.0, x.values.shape).astype(np.float32)
    for rows in (elsewhere, elsewhere[:3]):
        (found,) = rows_through(model, {x.name: rows}, fixed, optimised=True)
        if found.shape[1:] != output.shape:
            raise Unusable("the output's shape depends on the input")
