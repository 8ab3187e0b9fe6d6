"""Linear equations between features in programs, projections and proofs, against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import onnx_lippa
from onnx_lippa.attacks.stages.pgd import Balls
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.lp.engine_rows import RowsEngine
from onnx_lippa.lp.engine_stacked import StackedEngine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.proofs.distance import bound_distance
from onnx_lippa.spec import InputSpecification, Problem, UnsafeSet, get_norm
from onnx_lippa.spec.relations import Relations
from onnx_lippa.witness import Verdict
from tests.support.attacks import digits, mlp_file

NAMES = ("a", "b", "total")
TOTAL = ["total = a + b"]
EPS = 0.15
ORDERS = {"linf": np.inf, "l1": 1, "l2": 2}


def clean_inputs(count, seed):
    generator = np.random.default_rng(seed)
    x = np.zeros((count, 3), np.float32)
    x[:, :2] = generator.random((count, 2), np.float32) / 2
    x[:, 2] = x[:, 0] + x[:, 1]
    return x


def grid_points(clean, norm, count=101):
    """The points of a fine grid of the plane that lie in ball and box."""
    steps = np.linspace(-EPS, EPS, count)
    points = clean[:2] + np.array(list(itertools.product(steps, steps)))
    points = np.c_[points, points.sum(axis=1)]
    lengths = np.linalg.norm(points - clean, ORDERS[norm], axis=1)
    allowed = (lengths <= EPS) & (points >= 0).all(axis=1) & (points <= 1).all(axis=1)
    return points[allowed].astype(np.float32)


@pytest.mark.parametrize(
    "seed", [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(9, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("method", "norm"),
    [("attack", "linf"), ("attack", "l1"), ("attack", "l2"), ("complete", "linf"),
     ("complete", "l1"), ("complete", "l2"), ("mip", "linf"), ("mip", "l1")],
)  # fmt: skip
def test_against_a_fine_grid(tmp_path, method, norm, seed):
    """Nothing that the grid breaks is missed, and proofs leave nothing open."""
    model = onnx_lippa.load(mlp_file(tmp_path, (3, 12, 3), seed=seed))
    x = clean_inputs(2 if (method, norm) == ("attack", "l1") else 10, seed)
    labels = model.runtime.forward(x).argmax(axis=1)
    options = {
        "eps": EPS, "norm": norm, "relations": TOTAL, "workers": 1, "time_limit": 10.0,
        "data_options": onnx_lippa.DataOptions(features=NAMES),
    }  # fmt: skip
    if method == "attack":
        results = onnx_lippa.attack(model, x, **options)
    else:
        results = onnx_lippa.certify(model, x, method=method, **options)
    for clean, label, result in zip(x, labels, results, strict=True):
        broken = (model.runtime.forward(grid_points(clean, norm)).argmax(axis=1) != label).any()
        assert result.verdict is Verdict.ADVERSARIAL or not broken
        assert method == "attack" or result.verdict in (Verdict.ADVERSARIAL, Verdict.ROBUST)
        if result.witness is not None:
            assert np.linalg.norm(result.witness.x.astype(float) - clean, ORDERS[norm]) <= EPS
            a, b, total = result.witness.x.astype(float)
            assert abs(a + b - total) < 3e-7


def test_search_of_signs_with_prices_of_equations(tmp_path, monkeypatch):
    """Networks too large for a program at each node: prices of equations in the ascent."""
    monkeypatch.setattr("onnx_lippa.proofs.branch_and_bound._FEW_UNITS", 0)
    model = onnx_lippa.load(mlp_file(tmp_path, (3, 12, 3), seed=4))
    x = clean_inputs(16, 4)
    labels = model.runtime.forward(x).argmax(axis=1)
    results = onnx_lippa.certify(
        model, x, eps=EPS, relations=TOTAL, workers=1, time_limit=10.0,
        data_options=onnx_lippa.DataOptions(features=NAMES),
    )  # fmt: skip
    assert results.figures.counts.unknown == 0
    for clean, label, result in zip(x, labels, results, strict=True):
        points = grid_points(clean, "linf")
        broken = (model.runtime.forward(points).argmax(axis=1) != label).any()
        assert (result.verdict is Verdict.ADVERSARIAL) >= broken
        assert result.verdict is not Verdict.ROBUST or result.bound > 0


def test_what_only_the_equation_makes_robust(tmp_path):
    """Over the box alone these inputs are unsafe; on the plane there is a proof."""
    model = onnx_lippa.load(mlp_file(tmp_path, (3, 12, 3), seed=4))
    x = clean_inputs(16, 4)
    options = onnx_lippa.DataOptions(features=NAMES)
    within, without = (
        onnx_lippa.certify(
            model, x, eps=EPS, workers=1, time_limit=10.0, data_options=options, relations=relations
        )
        for relations in (TOTAL, [])
    )
    pairs = [(one.verdict, other.verdict) for one, other in zip(within, without, strict=True)]
    assert (Verdict.ROBUST, Verdict.ADVERSARIAL) in pairs
    assert (Verdict.ADVERSARIAL, Verdict.ROBUST) not in pairs


def test_minimal_distances(tmp_path):
    """The proven lower bound is just below the nearest unsafe point of the grid."""
    model = onnx_lippa.load(mlp_file(tmp_path, (3, 12, 3), seed=4))
    x = clean_inputs(8, 4)
    labels = model.runtime.forward(x).argmax(axis=1)
    specification = InputSpecification.build(3, names=NAMES, relations=TOTAL, eps=EPS)
    found = 0
    for i, (clean, label) in enumerate(zip(x, labels, strict=True)):
        unsafe = UnsafeSet.misclassification(int(label), 3)
        inputs = specification.input_set(clean, get_norm("linf"))
        problem = Problem(i, inputs, unsafe, unsafe, minimize=True)
        bounds = bound_distance(model, problem, time_limit=20.0)
        points = grid_points(clean, "linf")
        broken = points[model.runtime.forward(points).argmax(axis=1) != label]
        nearest = np.abs(broken - clean).max(axis=1).min(initial=np.inf)
        assert bounds.lower <= nearest + 1e-6
        if len(broken):
            assert bounds.lower >= nearest - 0.01  # three steps of the grid
            found += 1
    assert found > 0


@pytest.mark.parametrize("norm", ["linf", "l1"])
@pytest.mark.parametrize("engine", [RowsEngine, StackedEngine])
def test_steps_in_a_region(tmp_path, engine, norm):
    """Both engines find the least margin that a linear program of SciPy's finds."""
    model = onnx_lippa.load(mlp_file(tmp_path, (4, 10, 3), seed=2))
    network = model.network
    relations = Relations.build([], ["2 = 0 + 0.5 * 1 - 3"], 4, ["0", "1", "2", "3"])
    center = np.array([0.3, 0.4, 0.0, 0.2], np.float32)
    center[2] = np.float32(0.3 + 0.2 - 0.2)
    specification = InputSpecification(eps=EPS, relations=relations)
    inputs = specification.input_set(center, get_norm(norm))
    disjunct = UnsafeSet.misclassification(0, 3).disjuncts[0]
    region = LinearRegion.of(network, inputs.center)
    optimum = engine(network, make_solver("glop")).begin(inputs).least_margin(region, disjunct)
    assert optimum.found
    rows = inputs.rows
    assert rows is not None
    assert np.all(np.abs(rows.matrix @ optimum.x) <= rows.upper + 1e-9)
    gradient, at = region.gradient(disjunct.matrix)[0], region.evaluate(inputs.center[None])
    faces = region.face_rows(np.arange(region.faces))
    equation = relations.matrix(4)
    # δ = p - n, with p + n the size of a move.
    sizes = np.ones((1, 8)) if norm == "l1" else np.hstack([np.eye(4), np.eye(4)])
    solved = linprog(
        np.concatenate([gradient, -gradient]),
        A_ub=np.vstack([sizes, -np.hstack([faces, -faces])]),
        b_ub=np.concatenate([np.full(len(sizes), EPS), at.slacks[0]]),
        A_eq=np.hstack([equation, -equation]), b_eq=np.zeros(1),
        bounds=[(0, limit) for limit in [*(1 - center), *center]],
    )  # fmt: skip
    expected = disjunct.margins(at.outputs)[0] + solved.fun
    assert optimum.margin == pytest.approx(expected, abs=1e-5)


coefficients = st.floats(-3, 3).filter(lambda c: abs(c) > 1e-3)


@given(
    weights=st.lists(coefficients, min_size=2, max_size=4),
    values=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_rows_hold_where_relations_do(weights, values, dtype):
    """Points that the check of witnesses accepts satisfy the rows that proofs assume."""
    text = "t = " + " + ".join(f"{c:.17f} * x{i}" for i, c in enumerate(weights))
    names = ["t", *(f"x{i}" for i in range(4))]
    relations = Relations.build([], [text.replace("+ -", "- ")], 5, names)
    x = relations.move_onto(np.array([0, *values], dtype), np.zeros(5))
    center = x.copy()
    specification = InputSpecification(lower=-20, upper=20, eps=2.0, relations=relations)
    inputs = specification.input_set(center, get_norm("linf"))
    rows = inputs.rows
    assert rows is not None
    for shift in (-1, 0, 1):
        for end in (-np.inf, np.inf):
            near = center.copy()
            for _ in range(abs(shift)):
                near[0] = np.nextafter(near[0], dtype(end))
            if relations.hold(near, near.dtype):
                value = rows.matrix @ near.astype(np.float64)
                assert rows.lower[0] <= value[0] <= rows.upper[0]
    domain = InputDomain.for_search(inputs)
    assert domain.embedding().rows.count == 1


@given(
    points=st.lists(st.floats(-2, 2), min_size=6, max_size=6),
    norm=st.sampled_from(["linf", "l1", "l2"]),
    fixed=st.sampled_from([(), (0,), (2,)]),
)
def test_projection(points, norm, fixed):
    """Projected points meet ball, box and equation, and those that do stay."""
    (clean,) = clean_inputs(1, 3)
    specification = InputSpecification.build(
        3, names=NAMES, relations=TOTAL, eps=EPS, fixed=list(fixed)
    )
    inputs = specification.input_set(clean, get_norm(norm))
    projected = inputs.project(np.array(points).reshape(2, 3))
    shift = projected - inputs.center
    assert np.abs(shift[:, 0] + shift[:, 1] - shift[:, 2]).max() < 1e-3
    assert np.all(shift[:, list(fixed)] == 0)
    assert np.linalg.norm(shift, ORDERS[norm], axis=1).max() <= EPS * (1 + 1e-9)
    assert projected.min() >= 0
    inside = inputs.center + 0.2 * EPS * np.array([[1.0, -0.5, 0.5]])
    if not fixed:
        np.testing.assert_allclose(inputs.project(inside.copy()), inside, atol=1e-12)


def test_without_relations_nothing_changes():
    """No rows, no subspace, and the programs of the norm itself."""
    _, x, y = digits()
    inputs = InputSpecification(eps=0.05).input_set(x[0], get_norm("l1"))
    problem = Problem(0, inputs, *(UnsafeSet.misclassification(int(y[0]), 10),) * 2)
    assert inputs.rows is None
    assert inputs.subspace is None
    assert problem.stated.rows is None
    assert InputDomain.of(problem.stated).rows is None
    own = inputs.norm.ball(inputs.center, inputs.eps, inputs.lower, inputs.upper)
    made = inputs.ball()
    assert (made.rows.matrix != own.rows.matrix).nnz == 0
    assert np.array_equal(made.lower, own.lower)
    point = x[:4].astype(np.float64) + 0.3
    project = inputs.norm.projector(
        np.tile(inputs.center, (4, 1)), np.full(4, inputs.eps), inputs.lower, inputs.upper
    )
    assert np.array_equal(inputs.project(point.copy()), project(point.copy()))


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_rows_of_a_batch_keep_their_own_subspaces(norm):
    """Inputs at a bound have fewer directions; beside others they move as they do alone."""
    clean = clean_inputs(3, 3)
    clean[1] = [0.0, 0.25, 0.25]
    specification = InputSpecification.build(
        3, names=NAMES, relations=TOTAL, eps=EPS, only_down=["a"]
    )
    sets = [specification.input_set(one, get_norm(norm)) for one in clean]
    assert sets[0].subspace is sets[2].subspace is not sets[1].subspace
    points = np.random.default_rng(0).normal(0.3, 0.5, (3, 3))
    together = Balls.of(sets, np.dtype(np.float64))
    moved = together.project(points.copy())
    kept = together.take(np.array([1, 2])).project(points[1:].copy())
    assert np.array_equal(kept, moved[1:])
    for row, inputs in enumerate(sets):
        alone = Balls.of([inputs], np.dtype(np.float64)).project(points[row : row + 1].copy())
        np.testing.assert_allclose(moved[row], alone[0], atol=1e-12)
    assert moved[1, 0] == 0


def test_balls_of_l2_on_the_plane_are_met_exactly():
    """Off every bound, the projection is that onto the plane and then radially into the ball."""
    center = np.array([0.25, 0.25, 0.5])
    specification = InputSpecification.build(3, names=NAMES, relations=TOTAL, eps=EPS)
    inputs = specification.input_set(center, get_norm("l2"))
    points = center + np.random.default_rng(1).uniform(-0.15, 0.15, (50, 3))
    normal = np.array([1.0, 1.0, -1.0]) / np.sqrt(3)
    shift = points - center
    shift -= (shift @ normal)[:, None] * normal
    lengths = np.linalg.norm(shift, axis=1, keepdims=True)
    expected = center + shift * np.minimum(1, EPS / lengths)
    np.testing.assert_allclose(inputs.project(points), expected, atol=1e-12)
