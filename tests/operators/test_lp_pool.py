"""LpPool, which is piecewise linear where it sums absolute values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import one_op, opsets_of
from tests.support.layers import check_model, refusal
from tests.support.operands import check_pool, pools


@pytest.mark.parametrize("opset", opsets_of("LpPool"))
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_every_opset(opset, spatial):
    attributes = {"kernel_shape": [2] * spatial, "pads": [1, 0] * spatial}
    check_model(one_op("LpPool", (2, 4, 3, 2)[: spatial + 1], p=1, opset=opset, **attributes))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(pools(), st.sampled_from([("batch",), (1,)]))
def test_any_window(pool, batches):
    check_pool("LpPool", pool, batches, p=1, opset=18)


@pytest.mark.parametrize("attributes", [{}, {"p": 2}, {"p": 3}])
def test_other_norms_are_refused(attributes):
    problem = refusal(one_op("LpPool", (2, 3), kernel_shape=[2], **attributes))
    assert "not piecewise linear" in problem.reason
