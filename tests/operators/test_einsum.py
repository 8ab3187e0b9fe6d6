"""Einsum with one computed operand: products, sums, transposes, diagonals, ellipses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.ir.layers.linear_map import LeftLinearMap, LinearMap
from onnx_lippa.ir.layers.reshape import Transpose
from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_alone, check_model, refusal


def einsum(equation, sample, *factors, place=0, **options):
    """The equation with the input at a place among constants of the given shapes."""
    operands = [normal(i, *shape).reshape(shape) for i, shape in enumerate(factors)]
    operands.insert(place, "x")
    return one_op("Einsum", sample, *operands, equation=equation, **options)


@pytest.mark.parametrize("opset", opsets_of("Einsum", since=12))
def test_every_opset(opset):
    check_model(einsum("bi,ij->bj", (3,), (3, 2), flatten=False, opset=opset))


@pytest.mark.parametrize(
    ("equation", "sample"),
    [
        ("bij->bji", (2, 3)), ("bij->bij", (2, 3)), ("bijk->bkij", (2, 3, 4)),
        ("bij->bj", (2, 3)), ("bij->b", (2, 3)), ("bijk->bki", (2, 3, 4)),
        ("b...->b...", (2, 3)), ("b...k->bk...", (2, 3, 4)), ("bij", (3, 2)), ("bji", (3, 2)),
        (" b i j -> b j ", (2, 3)), ("Bij->B", (2, 3)),
    ],
)  # fmt: skip
def test_one_operand(equation, sample):
    check_model(einsum(equation, sample))


@pytest.mark.parametrize(
    ("equation", "sample"),
    [("bii->bi", (3, 3)), ("bii->b", (3, 3)), ("biji->bji", (2, 3, 2)), ("bijij->bji", (2, 3) * 2)],
)
def test_diagonals(equation, sample):
    check_model(einsum(equation, sample))


@pytest.mark.parametrize(
    ("equation", "sample", "factor"),
    [
        ("bi,i->b", (3,), (3,)), ("bi,i->bi", (3,), (3,)), ("bi,->bi", (3,), ()),
        ("bi,ij->bj", (3,), (3, 2)), ("bi,ji->bj", (3,), (2, 3)), ("bi,j->bij", (3,), (2,)),
        ("bi,j->bji", (3,), (2,)), ("bi,jk->bkij", (3,), (2, 4)), ("bi,jk->bi", (3,), (2, 4)),
        ("bij,jk->bik", (2, 3), (3, 4)), ("bij,jk->bki", (2, 3), (3, 4)),
        ("bij,ik->bkj", (2, 3), (2, 4)), ("bij,ik->bjk", (2, 3), (2, 4)),
        ("bij,ijk->bk", (2, 3), (2, 3, 4)), ("bij,jki->bk", (2, 3), (3, 4, 2)),
        ("bij,ij->b", (2, 3), (2, 3)), ("bij,ji->bij", (2, 3), (3, 2)), ("bij,j->bj", (2, 3), (3,)),
        ("bij,kjl->bikl", (2, 3), (4, 3, 2)), ("bij,k->b", (2, 3), (4,)),
        ("bhid,hde->bhie", (2, 3, 4), (2, 4, 3)), ("bhid,hde->bieh", (2, 3, 4), (2, 4, 3)),
        ("bihd,hde->bihe", (3, 2, 4), (2, 4, 3)), ("bhid,hei->bhed", (2, 3, 4), (2, 5, 3)),
        ("bhid,hd->bhi", (2, 3, 4), (2, 4)), ("bghi,ghj->bgij", (2, 3, 4), (2, 3, 5)),
        ("bi...,ij->bj...", (3, 2, 2), (3, 4)), ("b...i,ij->b...j", (2, 2, 3), (3, 4)),
        ("...ij,jk->...ik", (2, 3), (3, 4)), ("...i,ij", (2, 3), (3, 4)),
        ("b...,...->b...", (2, 3), (2, 3)), ("b...,...->b...", (2, 3), (1, 3)),
        ("b...i,...ij->b...j", (2, 3), (2, 3, 4)), ("b...i,...ij->b...j", (1, 3), (2, 3, 4)),
    ],
)  # fmt: skip
def test_a_constant_on_either_side(equation, sample, factor):
    check_model(einsum(equation, sample, factor))
    left, arrow, right = equation.partition("->")
    swapped = ",".join(reversed(left.split(","))) + arrow + right
    check_model(einsum(swapped, sample, factor, place=1))


@pytest.mark.parametrize(
    ("equation", "factor"),
    [("bij,ij->bij", (1, 3)), ("bij,ij->bij", (2, 1)), ("bij,ijk->bk", (1, 3, 4)),
     ("bij,bij->bij", (1, 2, 3)), ("bij,bjk->bik", (1, 3, 4))],
)  # fmt: skip
def test_axes_of_extent_1_are_repeated(equation, factor):
    check_model(einsum(equation, (2, 3), factor))
    check_model(einsum(equation, (2, 1), (*factor[:-1], 3 if factor[-1] == 1 else factor[-1])))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_two_constants(place):
    terms = ["ij", "jk"]
    terms.insert(place, "bi")
    check_model(einsum(f"{','.join(terms)}->bk", (3,), (3, 4), (4, 2), place=place))


def test_constants_with_diagonals_and_sums_of_their_own():
    check_model(einsum("bi,ii,kk->bi", (3,), (3, 3), (2, 2)))
    check_model(einsum("bi,ijl->bj", (3,), (3, 2, 4)))


@pytest.mark.parametrize(
    ("equation", "kind"),
    [("bij,jk->bik", LinearMap), ("bij,ik->bkj", LeftLinearMap), ("bhij,hjk->bhik", LinearMap),
     ("bhij,hki->bhkj", LeftLinearMap)],
)  # fmt: skip
def test_products_move_no_axes_where_they_need_not(equation, kind):
    term, factor = equation.partition("->")[0].split(",")
    extents = dict(zip("hijk", (2, 3, 4, 5), strict=True))
    sample, shape = ([extents[label] for label in t if label != "b"] for t in (term, factor))
    network = check_model(einsum(equation, sample, shape))
    layers = [step.layer for step in network.steps]
    assert any(isinstance(layer, kind) for layer in layers)
    assert not any(isinstance(layer, Transpose) for layer in layers)


@pytest.mark.parametrize(
    ("equation", "sample", "factors"),
    [
        ("bi->ib", (3,), []), ("bi->i", (3,), []), ("bi->", (3,), []),
        ("bi,ij->ji", (3,), [(3, 2)]),
        ("ai,ba->bi", (3,), [(4, 1)]), ("bi,bj->ij", (3,), [(1, 2)]), ("bi,bj", (3,), [(1, 2)]),
        ("bi,bj->bij", (3,), [(4, 2)]), ("bij->jib", (2, 3), []), ("...i->i...", (2, 3), []),
    ],
)  # fmt: skip
def test_the_batch_axis_moved_summed_or_multiplied(equation, sample, factors):
    check_alone(einsum(equation, sample, *factors, flatten=False))


@st.composite
def equations(draw: st.DrawFn) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """A product of the input and a constant over common and own labels."""
    extents = {label: draw(st.integers(1, 3)) for label in "ijkl"}
    mine = draw(st.permutations("ijk"))[: draw(st.integers(1, 3))]
    theirs = draw(st.permutations("ijkl"))[: draw(st.integers(0, 3))]
    labels = sorted({*mine, *theirs})
    output = draw(st.permutations(labels))[: draw(st.integers(0, len(labels)))]
    equation = f"b{''.join(mine)},{''.join(theirs)}->b{''.join(output)}"
    return equation, tuple(extents[a] for a in mine), tuple(extents[a] for a in theirs)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(equations())
def test_any_product(case):
    equation, sample, factor = case
    check_model(einsum(equation, sample, factor))


def test_between_other_layers():
    nodes = [
        node("Relu", "x", "a"),
        node("Einsum", "a w", "b", equation="bij,jk->bki"),
        node("Relu", "b", "c"),
        node("Einsum", "v c", "d", equation="kil,bki->bl"),
        node("Relu", "d", "y"),
    ]
    check_model(graph_model(nodes, (2, 3), {"w": normal(1, 3, 4), "v": normal(2, 4, 2, 3)}))


@pytest.mark.parametrize(
    ("equation", "factors", "reason"),
    [
        ("bi,ij->bj", [], "2 terms for 1 inputs"),
        ("bi->bi", [], "does not name all axes"),
        ("bijk->b", [], "does not fit its inputs"),
        ("b1j->b", [], "does not fit its inputs"),
        ("bij->bk", [], "an output that its terms do not give"),
        ("bij->bii", [], "an output that its terms do not give"),
        ("bij,jk->bik", [(2, 4)], "gives one label two extents"),
        ("bii->b", [], "gives one label two extents"),
    ],
)
def test_refusals(equation, factors, reason):
    problem = refusal(einsum(equation, (2, 3), *factors))
    assert problem.op == "Einsum"
    assert reason in problem.reason


def test_refuses_two_computed_operands():
    nodes = [node("Einsum", "x x", "y", equation="bi,bi->bi")]
    assert "two computed tensors" in refusal(graph_model(nodes, (3,))).reason


def test_constants_alone_are_folded():
    nodes = [node("Einsum", "w v", "m", equation="ij,jk->ik"), node("Gemm", "x m", "y")]
    constants = {"w": normal(1, 3, 2), "v": normal(2, 2, 3)}
    network = check_model(graph_model(nodes, (3,), constants))
    np.testing.assert_allclose(
        network.forward(np.eye(3)), constants["w"] @ constants["v"], atol=1e-6
    )
