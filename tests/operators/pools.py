"""Windows of pooling operators, drawn for the tests of each of them."""

from hypothesis import strategies as st

from onnx_lippa.errors import UnsupportedModelError
from tests.graphs import load_model, one_op
from tests.operators.checks import check_model

LARGEST = {1: 8, 2: 5, 3: 3}
MODES = ["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]
REASONS = ("in the padding", "larger than the padded input", "larger than its kernel")


@st.composite
def pools(draw, dilates=True):
    """A sample and the attributes of a pool; some leave no place for the window."""
    spatial = draw(st.sampled_from((1, 2, 2, 3)))

    def axes(low, high):
        return [draw(st.integers(low, high)) for _ in range(spatial)]

    kernel, extents = axes(1, 3), axes(1, LARGEST[spatial])
    attributes = {"kernel_shape": kernel, "strides": axes(1, 4)}
    mode = draw(st.sampled_from(MODES))
    if mode == "NOTSET":
        attributes["pads"] = [draw(st.integers(0, extent - 1)) for extent in kernel * 2]
    else:
        attributes["auto_pad"] = mode
    if dilates and draw(st.booleans()):
        attributes["dilations"] = axes(1, 3)
    attributes["ceil_mode"] = draw(st.integers(0, 1))
    return (draw(st.integers(1, 2)), *extents), attributes


def check_pool(op, pool, batches, **further):
    """Checks a drawn pool, or that it is refused for a good reason."""
    sample, attributes = pool
    model = one_op(op, sample, **attributes, **further)
    try:
        load_model(model)
    except UnsupportedModelError as error:
        (problem,) = error.problems
        assert any(words in problem.reason for words in REASONS)
    else:
        check_model(model, batches)
