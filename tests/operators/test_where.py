"""Where, by a constant mask and by comparisons of every kind, and Not."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.errors import ModelError
from onnx_lippa.ir.layers.concat import Stack
from onnx_lippa.ir.layers.select import Select
from tests.support.graphs import graph_model, load_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_layer, check_model, refusal
from tests.support.operands import computed

COMPARISONS = {"Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Less": np.less,
               "LessOrEqual": np.less_equal}  # fmt: skip


def masks(*shape):
    """Random truth values."""
    return np.random.default_rng(len(shape)).random(shape) < 0.5


# Constant masks


def masked(mask, shapes, constants=(), swap=False, **options) -> onnx.ModelProto:
    """A mask that chooses between computed tensors of these shapes, or constants."""
    nodes, weights, names = computed(*shapes)
    weights["m"] = mask
    for place, constant in enumerate(constants):
        weights[f"c{place}"] = normal(10 + place, *constant).reshape(constant)
        names.append(f"c{place}")
    if swap:
        names.reverse()
    nodes += [node("Where", ["m", *names], "t"), node("Flatten", "t", "y")]
    return graph_model(nodes, (3,), weights, **options)


@pytest.mark.parametrize("opset", opsets_of("Where", since=9))
def test_every_opset(opset):
    check_model(masked(masks(4), [(4,), (4,)], opset=opset))


@pytest.mark.parametrize(
    ("mask", "shapes", "constants"),
    [
        ((4,), [(4,), (4,)], []),
        ((), [(4,), (4,)], []),
        ((1, 4), [(4,), (1,)], []),
        ((2, 1), [(1, 3), (2, 3)], []),
        ((2, 3), [(1, 1), (2, 1)], []),
        ((4,), [(4,)], [()]),
        ((4,), [(4,)], [(1, 4)]),
        ((2, 3), [(1, 3)], [(2, 1)]),
        ((1, 2, 3), [(2, 3)], [(3,)]),
    ],
)
@pytest.mark.parametrize("swap", [False, True])
def test_a_constant_mask(mask, shapes, constants, swap):
    network = check_model(masked(masks(*mask), shapes, constants, swap))
    assert network.units == 0


@pytest.mark.parametrize("mask", [(5, 4), (2, 1, 4)])
def test_a_constant_mask_that_meets_the_batch(mask):
    check_alone(masked(masks(*mask), [(4,), (4,)]))
    check_alone(masked(masks(*mask), [(4,)], [(4,)]))


def test_all_or_nothing():
    for mask in (np.ones(4, bool), np.zeros(4, bool)):
        check_model(masked(mask, [(4,)], [()]))


def test_of_a_tensor_with_itself():
    check_model(one_op("Where", (4,), masks(4), "x", "x"))


def test_refuses_what_does_not_broadcast():
    assert "do not broadcast" in refusal(masked(masks(3), [(4,), (4,)])).reason


def test_refuses_infinite_branches():
    nodes = [node("Log", "z", "c"), node("Where", "m c x", "y")]
    problem = refusal(graph_model(nodes, (2,), {"z": np.zeros(2, np.float32), "m": masks(2)}))
    assert "infinite" in problem.reason


# Comparisons


def select_model(
    op: str,
    difference: list[tuple[int, ...]],
    branches: list[tuple[int, ...]],
    *,
    constant: np.ndarray | None = None,
    constant_first: bool = False,
    negate: bool = False,
    opset: int = 17,
) -> onnx.ModelProto:
    """Two branches, chosen by a comparison of computed tensors or of one with a constant."""
    nodes, weights, names = computed(*difference, *branches)
    compared, chosen = names[: len(difference)], names[len(difference) :]
    if constant is not None:
        weights["c"] = constant
        compared = ["c", *compared] if constant_first else [*compared, "c"]
    nodes.append(node(op, compared, "t"))
    if negate:
        nodes.append(node("Not", "t", "n"))
    nodes.append(node("Where", ["n" if negate else "t", *chosen], "w"))
    nodes.append(node("Flatten", "w", "y"))
    return graph_model(nodes, (3,), weights, opset=opset)


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize("opset", [9, 11, 13, 16, 17])
def test_every_comparison(op, negate, opset):
    if op.endswith("OrEqual") and opset < 12:
        return
    network = check_model(
        select_model(op, [(4,)], [(4,), (4,)], constant=normal(9, 4), negate=negate, opset=opset)
    )
    assert network.units == 4


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("constant_first", [False, True])
@pytest.mark.parametrize("constant", [(), (4,), (1, 1)])
def test_with_a_constant(op, constant_first, constant):
    value = normal(9, *constant).reshape(constant)
    check_model(
        select_model(op, [(4,)], [(4,), (4,)], constant=value, constant_first=constant_first)
    )


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize(
    ("difference", "branches"),
    [([(4,), (4,)], [(4,), (4,)]), ([(2, 1), (1, 3)], [(2, 3), (1, 1)]),
     ([(1,), (1,)], [(3,), (3,)]), ([(2, 3), (1, 3)], [(1, 3), (2, 1)])],
)  # fmt: skip
def test_of_two_computed_tensors(op, difference, branches):
    check_model(select_model(op, difference, branches))


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("negate", [False, True])
def test_ties_are_decided_as_the_operator_does(op, negate):
    model = load_model(select_model(op, [(4,), (4,)], [(4,), (4,)], negate=negate))
    x = np.zeros((1, 3), np.float32)
    np.testing.assert_array_equal(model.network.forward(x), model.runtime.forward(x))

    nodes = [node(op, "x c", "t"), *([node("Not", "t", "n")] if negate else []),
             node("Where", f"{'n' if negate else 't'} up down", "y"),
             node("Add", "x one", "up"), node("Mul", "x two", "down")]  # fmt: skip
    constants = {"c": np.float32(0.5), "one": np.float32(1.0), "two": np.float32(2.0)}
    model = load_model(graph_model([nodes[-2], nodes[-1], *nodes[:-2]], (3,), constants))
    x = np.array([[0.5, np.nextafter(np.float32(0.5), 1), np.nextafter(np.float32(0.5), 0)]])
    x = x.astype(np.float32)
    expected = np.where(COMPARISONS[op](x, np.float32(0.5)) != negate, x + 1, 2 * x)
    np.testing.assert_array_equal(model.runtime.forward(x), expected)
    np.testing.assert_array_equal(model.network.forward(x), expected)
    logits, gradient = model.gradient.value_and_gradient(x, np.ones_like(x))
    np.testing.assert_array_equal(logits, expected)
    chosen = COMPARISONS[op](x, np.float32(0.5)) != negate
    np.testing.assert_array_equal(gradient, np.where(chosen, 1.0, 2.0))


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("constant", [(), (3,), (1, 3)])
def test_constant_branches(op, swap, constant):
    """``where(x > 0, x, c)`` and the like."""
    branches = ["c", "x"] if swap else ["x", "c"]
    nodes = [node(op, "x zero", "t"), node("Where", ["t", *branches], "y")]
    constants = {"zero": np.float32(0.0), "c": normal(3, *constant).reshape(constant)}
    check_model(graph_model(nodes, (3,), constants))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.sampled_from(list(COMPARISONS)),
    st.lists(st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 3])), min_size=4, max_size=4),
    st.booleans(),
)
def test_any_broadcast(op, shapes, negate):
    model = select_model(op, shapes[:2], shapes[2:], negate=negate)
    check_model(model, batches=("batch",))


@pytest.mark.parametrize("op", COMPARISONS)
def test_tensors_of_different_rank(op):
    check_alone(select_model(op, [(3,), (2, 3)], [(3,), (1, 3)]))
    check_alone(select_model(op, [(3,)], [(2, 3), (3,)], constant=np.float32(0.1)))


def test_the_leaky_rectifier_of_jax():
    nodes = [
        node("Gemm", "x w", "a"),
        node("GreaterOrEqual", "a zero", "t"),
        node("Mul", "a slope", "b"),
        node("Where", "t a b", "c"),
        node("Gemm", "c v", "y"),
    ]
    constants = {"w": normal(1, 3, 6), "v": normal(2, 6, 2), "zero": np.float32(0.0),
                 "slope": np.float32(0.01)}  # fmt: skip
    network = check_model(graph_model(nodes, (3,), constants))
    leaky = load_model(
        graph_model([nodes[0], node("LeakyRelu", "a", "c"), nodes[-1]], (3,), constants)
    ).network
    x = normal(4, 9, 3).astype(np.float64)
    np.testing.assert_allclose(network.forward(x), leaky.forward(x), rtol=1e-7)
    assert [step.op for step in network.steps] == ["Gemm", "Mul", "Where", "Where", "Gemm"]


def test_one_choice_inside_another():
    """Three pieces: ``x - 1`` above 1, ``x + 1`` below -1, 0 between (a soft threshold)."""
    nodes = [
        node("Sub", "x one", "down"),
        node("Add", "x one", "up"),
        node("Greater", "x one", "high"),
        node("Less", "x minus", "low"),
        node("Where", "low up zero", "inner"),
        node("Where", "high down inner", "y"),
    ]
    constants = {"one": np.float32(0.5), "minus": np.float32(-0.5), "zero": np.float32(0.0)}
    check_model(graph_model(nodes, (4,), constants))


def test_the_condition_may_be_reshaped():
    nodes = [
        node("Greater", "x c", "t"),
        node("Reshape", "t s", "r"),
        node("Identity", "r", "i"),
        node("Reshape", "x s", "a"),
        node("Neg", "a", "b"),
        node("Where", "i a b", "w"),
        node("Flatten", "w", "y"),
    ]
    check_model(graph_model(nodes, (6,), {"c": normal(1, 6), "s": np.array([-1, 2, 3])}))


# Products with a truth


@pytest.mark.parametrize("order", ["m x", "x m"])
@pytest.mark.parametrize("op", COMPARISONS)
def test_masks_as_products(op, order):
    """``x * (x > c)``, as PyTorch exports it."""
    nodes = [
        node(op, "x c", "t"),
        node("Cast", "t", "m", to=onnx.TensorProto.FLOAT),
        node("Mul", order, "y"),
    ]
    check_model(graph_model(nodes, (3,), {"c": np.float32(0.0)}))


def test_masks_that_broadcast():
    nodes, weights, _ = computed((2, 1), (1, 3))
    nodes += [
        node("Greater", "p0 c", "t"),
        node("Cast", "t", "m", to=onnx.TensorProto.FLOAT),
        node("Mul", "p1 m", "w"),
        node("Flatten", "w", "y"),
    ]
    check_model(graph_model(nodes, (3,), {**weights, "c": np.float32(0.1)}))


# What is refused


def refused_with(*nodes: onnx.NodeProto, **constants: np.ndarray):
    first = node("Greater", "x c", "t")
    return refusal(graph_model([first, *nodes], (3,), {"c": np.float32(0.1), **constants}))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Cast", "t", "f", to=1), node("Add", "f x", "y")],
        [node("Cast", "t", "f", to=1), node("Mul", "f c", "y")],
        [node("Cast", "t", "f", to=1), node("Relu", "f", "y")],
        [node("Cast", "t", "f", to=1), node("Mul", "f f", "y")],
        [node("Cast", "t", "f", to=1), node("Concat", "f x", "y", axis=1)],
        [node("Cast", "t", "f", to=1), node("Where", "t f x", "y")],
        [node("Cast", "t", "f", to=1), node("Where", "t x f", "y")],
    ],
)
def test_truths_elsewhere(nodes):
    problem = refused_with(*nodes)
    assert problem.node == f"{nodes[-1].op_type.lower()}_y"
    assert "truth of a comparison" in problem.reason or "two computed" in problem.reason


def test_a_truth_as_the_output():
    nodes = [node("Cast", "t", "y", to=1)]
    problem = refused_with(*nodes)
    assert (problem.op, problem.node) == ("output", "y")
    assert "truth of a comparison" in problem.reason


def test_constant_branches_that_make_it_jump():
    problem = refused_with(node("Where", "t one zero", "y"), one=np.float32(1), zero=np.float32(0))
    assert "makes the model jump" in problem.reason


def test_conditions_that_are_no_comparisons():
    nodes = [node("Cast", "x", "b", to=9), node("Where", "b x c", "y")]
    problem = refusal(graph_model(nodes, (3,), {"c": np.float32(1.0)}))
    assert problem.op == "Cast"


@pytest.mark.parametrize("op", ["And", "Or", "Xor", "Equal"])
def test_logic_beyond_not(op):
    problem = refused_with(node(op, "t t", "b"), node("Where", "b x c", "y"))
    assert problem.op == op


def test_not_of_numbers_is_refused_by_the_runtime():
    with pytest.raises(ModelError):
        load_model(graph_model([node("Not", "x", "n"), node("Where", "n x x", "y")], (3,)))


def test_comparisons_with_infinity():
    nodes = [node("Less", "x c", "t"), node("Where", "t x zero", "y")]
    constants = {"c": np.array([np.inf], np.float32), "zero": np.float32(0.0)}
    assert "infinite" in refusal(graph_model(nodes, (3,), constants)).reason


# The layers


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_statements_of_select(shape):
    check_layer(Select(shape), ((3, *shape),))


@pytest.mark.parametrize(
    ("sources", "parts", "shape"),
    [
        ([(3,)], [(0, 1.0), (0, -1.0), (0, 2.0)], (3,)),
        ([(3,)], [(0, 1.0), np.ones(3), (0, 2.0)], (3,)),
        ([(3,)], [np.zeros(()), (0, 1.0), np.array(2.0)], (3,)),
        ([(3,), (2, 1)], [(1, 2.0), (0, 1.0), np.ones((2, 3)), (0, -1.0)], (2, 3)),
        ([(), (1,)], [(1, 1.0), (0, 1.0)], (4,)),
    ],
)
def test_statements_of_the_stack(sources, parts, shape):
    check_layer(Stack(sources, parts, shape), tuple(sources))
