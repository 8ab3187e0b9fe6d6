"""What must hold for every operator, in one place: the tests of this folder call these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from scipy.sparse.linalg import spsolve

from onnx_lippa.arrays import Shape, size
from onnx_lippa.errors import NodeProblem, UnsupportedModelError
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import AffineLayer, Layer, PiecewiseLayer
from onnx_lippa.ir.layers.select import Select
from onnx_lippa.ir.network import Network
from onnx_lippa.onnx_io import Model, gradient_model
from onnx_lippa.onnx_io.interface import Batch
from tests.support.graphs import FREE, load_model, with_batch

FLOAT32 = 2e-5
"""Rounding of a small float32 network, relative to its largest value."""
EXACT = 1e-9
"""Rounding of the same in float64."""

BOTH_BATCHES: tuple[int | str, ...] = (FREE, 1)


def check_model(model: onnx.ModelProto, batches: tuple[int | str, ...] = BOTH_BATCHES) -> Network:
    """All statements about an operator, for exports with free and with fixed batch axis."""
    for batch in batches:
        loaded = load_model(with_batch(model, batch))
        assert loaded.interface.batch_is_free == (batch == FREE)
        check_loaded(loaded)
    check_layers(loaded.network)
    return loaded.network


def check_alone(model: onnx.ModelProto) -> Network:
    """The same for a model that works for one sample only, whatever its batch axis declares."""
    for batch in BOTH_BATCHES:
        loaded = load_model(with_batch(model, batch))
        assert loaded.interface.batch is Batch.ONE
        check_loaded(loaded)
    check_layers(loaded.network)
    return loaded.network


def check_loaded(model: Model) -> None:
    """Forward, gradient and batches of a loaded model."""
    check_forward(model)
    check_directional_derivatives(model.network)
    check_compiled_gradient(model)


def check_layers(network: Network) -> None:
    """What every layer of a network states about itself."""
    for step, shapes in zip(network.steps, input_shapes(network), strict=True):
        check_layer(step.layer, shapes)


def build_inputs(network: Network, rows: int = 5) -> np.ndarray:
    """Seeded float32 inputs around the origin, (rows, d)."""
    generator = np.random.default_rng(network.input_size)
    return generator.uniform(-1.0, 1.0, (rows, network.input_size)).astype(np.float32)


def assert_near(actual: np.ndarray, expected: np.ndarray, relative: float) -> None:
    """Equal up to rounding relative to the largest expected value."""
    assert actual.shape == expected.shape
    scale = float(np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=relative * max(scale, 1e-12))


def check_forward(model: Model) -> None:
    """The network in float64 and in float32 against ONNX Runtime, and rows against batches."""
    network, x = model.network, build_inputs(model.network)
    exact, rounded = network.forward(x.astype(np.float64)), network.forward(x)
    assert exact.dtype == np.float64
    assert rounded.dtype == np.float32
    assert_near(rounded, exact, FLOAT32)
    theirs = model.runtime.forward(x)
    assert_near(theirs, network.output_activation.apply(exact), FLOAT32)
    assert_near(model.runtime.forward_alone(x), theirs, FLOAT32)
    alone = np.concatenate([network.forward(row[None].astype(np.float64)) for row in x])
    assert_near(alone, exact, EXACT)


def check_directional_derivatives(network: Network) -> None:
    """``<J^T v, w> = <v, J w>`` with J w from differences inside the linear region."""
    generator = np.random.default_rng([network.input_size, network.output_size])
    for row in build_inputs(network, 3).astype(np.float64):
        v, w = generator.normal(size=network.output_size), generator.normal(size=row.size)
        step = 1e-3
        while len({network.pattern(row + s * w).key for s in (-step, 0.0, step)}) > 1:
            step /= 2
            assert step > 1e-9, "the test's input lies on a kink"
        ends = network.forward(np.stack([row + step * w, row - step * w]))
        slope = (ends[0] - ends[1]) / (2 * step)
        logits, gradient = network.value_and_gradient(row[None], v[None])
        assert_near(logits, network.forward(row[None]), EXACT)
        noise = 1e-13 * np.max(np.abs(ends), initial=1.0) / step
        bound = 1e-8 * np.sum(np.abs(v * slope)) + noise * np.sum(np.abs(v)) + 1e-12
        assert abs(gradient[0] @ w - v @ slope) <= bound


def check_compiled_gradient(model: Model) -> None:
    """The gradient graph is valid and equals the reverse pass in NumPy, for one and five."""
    network = model.network
    assert model.gradient.dtype == model.interface.dtype
    onnx.checker.check_model(gradient_model(network), full_check=True)
    generator = np.random.default_rng(network.output_size)
    for rows in (1, 5):
        x = build_inputs(network, rows)
        v = generator.normal(size=(rows, network.output_size)).astype(np.float32)
        logits, gradient = model.gradient.value_and_gradient(x, v)
        exact, pulled = network.value_and_gradient(x.astype(np.float64), v.astype(np.float64))
        assert logits.dtype == gradient.dtype == model.gradient.dtype
        assert_near(logits, exact, FLOAT32)
        assert_near(gradient, pulled, FLOAT32)


def input_shapes(network: Network) -> list[tuple[Shape, ...]]:
    """For every step the sample shapes of what it takes."""
    shapes = [network.input_shape, *(step.layer.shape for step in network.steps)]
    return [tuple(shapes[i] for i in step.inputs) for step in network.steps]


def check_layer(layer: Layer, shapes: tuple[Shape, ...]) -> None:
    """The statements a layer makes about itself, whatever kind it is."""
    assert isinstance(layer, AffineLayer | PiecewiseLayer)
    assert all(isinstance(extent, int) for extent in layer.shape)
    assert layer.parameters >= 0
    if isinstance(layer, AffineLayer):
        check_affine(layer, shapes)
    else:
        assert len(shapes) == 1
        check_piecewise(layer, shapes[0])


def check_affine(layer: AffineLayer, shapes: tuple[Shape, ...]) -> None:
    """Linear part, offset, transpose and matrices tell the same story."""
    algebra, generator, rows = NumpyAlgebra(), np.random.default_rng(len(shapes)), 3
    x, other = ([generator.normal(size=(rows, *s)) for s in shapes] for _ in range(2))
    linear = layer.linear(algebra, *x)
    assert linear.shape == (rows, *layer.shape)
    offset = layer.offset
    whole = linear if offset is None else linear + np.broadcast_to(offset, layer.shape)
    assert_near(layer.forward(algebra, *x), whole, EXACT)
    mixed = layer.linear(algebra, *(2.0 * a - b for a, b in zip(x, other, strict=True)))
    assert_near(mixed, 2.0 * linear - layer.linear(algebra, *other), EXACT)

    u = generator.normal(size=(rows, *layer.shape))
    pulled = layer.transpose(algebra, u)
    assert [part.shape for part in pulled] == [(rows, *s) for s in shapes]
    left = sum(np.sum((p * a).reshape(rows, -1), axis=1) for p, a in zip(pulled, x, strict=True))
    assert_near(left, np.sum((u * linear).reshape(rows, -1), axis=1), EXACT)

    matrices = layer.matrices()
    assert [m.shape for m in matrices] == [(size(layer.shape), size(s)) for s in shapes]
    products = sum((m @ a.reshape(rows, -1).T).T for m, a in zip(matrices, x, strict=True))
    assert_near(products.reshape(linear.shape), linear, EXACT)


def check_piecewise(layer: PiecewiseLayer, shape: Shape) -> None:
    """Pieces, region constraints and the split form against the layer itself, at kinks too."""
    algebra = NumpyAlgebra()
    points = list(_points(shape))
    for x in points:
        exact, state = layer.forward(algebra, x), layer.state(algebra, x)
        for form in (state, state.astype(np.int8)):
            assert_near(layer.piece(algebra, form, x), exact, EXACT)
            constraints = layer.constraints(algebra, form, x)
            assert constraints.shape == (len(x), *layer.constraints_shape)
            assert constraints.min() >= 0.0
            _check_piece_is_affine(layer, form, x)
            _check_constraints_are_exact(layer, form, x[::-1])
        _check_split(layer, x, exact, state)


def _points(shape: Shape) -> Iterator[np.ndarray]:
    """Batches of four: anywhere, on the kinks, and with signed zeros."""
    generator = np.random.default_rng(size(shape))
    yield generator.normal(size=(4, *shape))
    yield generator.choice([-1.0, 0.0, 1.0], size=(4, *shape))
    yield generator.choice([-0.0, 0.0], size=(4, *shape))


def _check_piece_is_affine(layer: PiecewiseLayer, state: np.ndarray, x: np.ndarray) -> None:
    algebra, generator = NumpyAlgebra(), np.random.default_rng(2)
    w = generator.normal(size=x.shape)
    for whole, transpose, shape in (
        (layer.piece, layer.piece_transpose, layer.shape),
        (layer.constraints, layer.constraints_transpose, layer.constraints_shape),
    ):
        u = generator.normal(size=(len(x), *shape))
        moved = whole(algebra, state, x + w) - whole(algebra, state, x)
        pulled = transpose(algebra, state, u)
        assert pulled.shape == x.shape
        left = np.sum((pulled * w).reshape(len(x), -1), axis=1)
        assert_near(left, np.sum((u * moved).reshape(len(x), -1), axis=1), EXACT)


def _check_constraints_are_exact(layer: PiecewiseLayer, state: np.ndarray, x: np.ndarray) -> None:
    """Elsewhere, constraints are negative unless the pieces give the layer's own value there."""
    algebra = NumpyAlgebra()
    constraints = layer.constraints(algebra, state, x).reshape(len(x), -1).min(axis=1)
    valid = constraints >= 0.0
    piece = layer.piece(algebra, state, x).reshape(len(x), -1)
    same = np.all(np.isclose(piece, layer.forward(algebra, x).reshape(len(x), -1)), axis=1)
    # A select may jump at its face, and belongs to one side of it only.
    assert np.all(same[constraints > 0.0 if isinstance(layer, Select) else valid])
    equal = np.all((layer.state(algebra, x) == state).reshape(len(x), -1), axis=1)
    assert np.all(valid[equal])


def _check_split(
    layer: PiecewiseLayer, x: np.ndarray, exact: np.ndarray, state: np.ndarray
) -> None:
    """The auxiliaries that x implies obey the bounds of its pieces and reproduce z."""
    split = layer.split()
    for row, z, pieces in zip(x, exact, state, strict=True):
        lower, upper = layer.split_bounds(pieces[None].astype(np.int8))
        assert lower.shape == upper.shape == (split.link.shape[1],)
        free = lower < upper
        auxiliaries = lower.copy()
        target = row.ravel() - split.link_offset - split.link @ np.where(free, 0.0, lower)
        # Its pieces chosen, a split leaves as many auxiliaries free as there are inputs.
        auxiliaries[free] = spsolve(split.link.tocsc()[:, free], target)
        rebuilt = split.link @ auxiliaries + split.link_offset
        np.testing.assert_allclose(rebuilt, row.ravel(), rtol=0.0, atol=EXACT)
        assert np.all(auxiliaries >= lower - EXACT)
        assert np.all(auxiliaries <= upper + EXACT)
        result = split.output @ auxiliaries + split.output_offset
        np.testing.assert_allclose(result, z.ravel(), rtol=0.0, atol=EXACT)


def refusal(model: onnx.ModelProto, **options: Any) -> NodeProblem:
    """The one reason for which the package refuses the model."""
    with pytest.raises(UnsupportedModelError) as caught:
        load_model(model, **options)
    (problem,) = caught.value.problems
    assert str(problem) in str(caught.value)
    return problem
