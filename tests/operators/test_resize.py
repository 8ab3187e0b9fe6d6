"""Resize and Upsample in every mode, with scales and with sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of, runs_in_runtime
from tests.support.layers import check_model, refusal

COORDINATES = [
    "half_pixel",
    "pytorch_half_pixel",
    "half_pixel_symmetric",
    "tf_half_pixel_for_nn",
    "asymmetric",
    "align_corners",
    "tf_crop_and_resize",
]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
UPSAMPLE_OPSETS = [7, 8, 9]
FIXED = (1,)
"""Sizes name the batch as well, so it is fixed where they are given for all axes."""
REGION = np.array([0, 0, -0.1, 0.2, 1, 1, 0.9, 1.3], np.float32)


def resize(sample, *, scales=None, sizes=None, roi=None, opset=19, batch="batch", **attributes):
    """A Resize of samples by factors or to sizes, in the form of the opset."""
    scales = None if scales is None else np.array([1, *scales], np.float32)
    sizes = None if sizes is None else np.array([1, *sizes])
    if opset < 11:
        return one_op("Resize", sample, "x", scales, opset=opset, batch=batch, **attributes)
    if opset < 13 and scales is None:  # these must be there, and may be empty
        scales = np.zeros(0, np.float32)
    roi = np.zeros(0, np.float32) if roi is None and opset < 13 else roi
    operands = ["x", roi, scales, *([] if sizes is None else [sizes])]
    return one_op("Resize", sample, *operands, opset=opset, batch=batch, **attributes)


def upsample(sample, scales, mode, opset):
    """An Upsample in the form of the opset."""
    factors = [1.0, *scales]
    if opset < 9:
        return one_op("Upsample", sample, "x", opset=opset, mode=mode, scales=factors)
    return one_op("Upsample", sample, "x", np.array(factors, np.float32), opset=opset, mode=mode)


@pytest.mark.parametrize("opset", opsets_of("Resize", 10))
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scales", [(1, 2, 2), (1, 0.6, 1.5)])
def test_every_opset(opset, mode, scales):
    if opset == 10 and mode == "cubic":
        pytest.skip("cubic is of opset 11")
    check_model(resize((2, 3, 4), scales=scales, mode=mode, opset=opset))


@pytest.mark.parametrize("opset", UPSAMPLE_OPSETS)
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scales", [(1, 2, 2), (1, 1, 3), (1, 1.7, 1.2)])
def test_upsample(opset, mode, scales):
    check_model(upsample((2, 3, 4), scales, mode, opset))


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("sizes", [(2, 7, 3), (2, 2, 1), (2, 6, 9)])
def test_nearest(coordinates, rounding, sizes):
    modes = {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    check_model(resize((2, 3, 4), sizes=sizes, roi=REGION, **modes), FIXED)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("sizes", [(2, 7, 3), (2, 2, 1), (2, 6, 9)])
def test_interpolated(coordinates, mode, sizes):
    modes = {"coordinate_transformation_mode": coordinates, "mode": mode}
    check_model(resize((2, 3, 4), sizes=sizes, roi=REGION, **modes), FIXED)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("exclude_outside", [0, 1])
@pytest.mark.parametrize("scales", [(1, 0.5, 0.4), (1, 0.7, 2.0), (1, 1.5, 0.3), (1, 0.5, 1.1)])
def test_antialias(mode, exclude_outside, scales):
    further = {"antialias": 1, "exclude_outside": exclude_outside}
    check_model(resize((2, 7, 8), scales=scales, mode=mode, **further))


@pytest.mark.parametrize("coefficient", [-0.5, -0.75])
@pytest.mark.parametrize("exclude_outside", [0, 1])
def test_cubic_coefficient(coefficient, exclude_outside):
    further = {"cubic_coeff_a": coefficient, "exclude_outside": exclude_outside}
    check_model(resize((1, 3, 4), scales=(1, 2.3, 1.6), mode="cubic", **further))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_extrapolation(mode):
    crop = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 2.5}
    check_model(resize((2, 3, 4), sizes=(2, 5, 6), roi=REGION, mode=mode, **crop), FIXED)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("sizes", [(7, 6), (2, 3), (5, 3)])
def test_sizes_of_some_axes(policy, sizes):
    operands = ("x", None, None, np.array(sizes))
    attributes = {"axes": [3, 2], "keep_aspect_ratio_policy": policy, "mode": "linear"}
    check_model(one_op("Resize", (2, 3, 4), *operands, opset=18, **attributes))


def test_scales_of_some_axes():
    scales = np.array([2, 3], np.float32)
    check_model(one_op("Resize", (2, 3, 4), "x", None, scales, opset=18, axes=[2, 3]))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(
    ("sample", "scales"),
    [((4,), (2,)), ((3, 4), (1, 2)), ((3, 4), (3, 1)), ((3, 4, 2), (2, 2, 1)), ((5, 1), (1, 4))],
)
def test_images_of_other_ranks(mode, sample, scales):
    model = resize(sample, scales=scales, mode=mode)
    if runs_in_runtime(model):
        check_model(model)


@pytest.mark.parametrize("scales", [(1, 2, 2, 3), (2, 2, 1, 1), (1, 1, 0.5, 2)])
def test_volumes(scales):
    check_model(resize((1, 2, 3, 2), scales=scales))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_the_runtime_copies_where_no_extent_changes(mode):
    network = check_model(resize((1, 3, 3), scales=(1, 1.2, 1.3), mode=mode))
    assert all(step.op == "Flatten" for step in network.steps)


def test_long_axes_are_gathered():
    check_model(resize((1, 300), sizes=(1, 170)), FIXED)


def test_the_batch_axis_of_a_single_sample():
    nodes = [node("Resize", "x  s", "a"), node("Reshape", "a t", "y")]
    nodes[0] = node("Resize", ["x", "", "s"], "a")
    constants = {"s": np.array([2, 1, 2], np.float32), "t": np.array([1, -1])}
    check_model(graph_model(nodes, (2, 3), constants), (1,))


def test_decoder():
    nodes = [
        node("Resize", ["x", "", "s"], "a", mode="linear"),
        node("Conv", "a w", "b"),
        node("Relu", "b", "c"),
        node("Resize", ["c", "", "s"], "d", nearest_mode="floor"),
        node("Flatten", "d", "y"),
    ]
    constants = {"s": np.array([1, 1, 2, 2], np.float32), "w": normal(1, 2, 1, 3, 3)}
    check_model(graph_model(nodes, (1, 3, 4), constants))


@st.composite
def resizings(draw):
    """A sample, scales or sizes, and attributes."""
    mode = draw(st.sampled_from(["nearest", "nearest", "linear", "cubic"]))
    rank = draw(st.integers(2, 3)) if mode == "nearest" else 3
    sample = [draw(st.integers(1, 7)) for _ in range(rank)]
    scaled = range(rank) if mode == "nearest" else range(1, 3)
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": draw(st.sampled_from(COORDINATES)),
    }
    if mode == "nearest":
        attributes["nearest_mode"] = draw(st.sampled_from(ROUNDINGS))
    if attributes["coordinate_transformation_mode"] == "tf_crop_and_resize":
        attributes["extrapolation_value"] = draw(st.sampled_from([0.0, 1.5]))
    elif mode != "nearest" and draw(st.booleans()):
        attributes["antialias"] = 1
    if mode == "cubic":
        attributes["exclude_outside"] = draw(st.integers(0, 1))
    edges = [draw(st.sampled_from([0.0, -0.2, 0.3])) for _ in range(rank)]
    ends = [draw(st.sampled_from([1.0, 0.8, 1.4])) for _ in range(rank)]
    attributes["roi"] = np.array([0, *edges, 1, *ends], np.float32)
    if draw(st.booleans()):
        sizes = list(sample)
        for axis in scaled:
            sizes[axis] = draw(st.integers(1, 9))
        return tuple(sample), {"sizes": sizes, **attributes}
    scales = [1.0] * rank
    for axis in scaled:
        scales[axis] = draw(st.sampled_from([0.5, 0.51, 0.75, 1, 1.2, 1.5, 2, 2.5, 3, 1 / 3]))
        scales[axis] = max(scales[axis], 1.01 / sample[axis])
    return tuple(sample), {"scales": scales, **attributes}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(resizings(), st.sampled_from([("batch",), FIXED]))
def test_any_resizing(drawn, batches):
    sample, attributes = drawn
    check_model(resize(sample, **attributes), FIXED if "sizes" in attributes else batches)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (resize((2, 4), scales=(1, 2), mode="area"), "mode 'area'"),
        (resize((2, 4), scales=(1, 2), nearest_mode="up"), "nearest_mode 'up'"),
        (resize((2, 4), scales=(1, 2), coordinate_transformation_mode="c"), "mode 'c'"),
        (resize((2, 4), scales=(1, 0.1)), "is empty"),
        (resize((2, 4), scales=(1, -1)), "not positive"),
        (resize((2, 4), sizes=(2, 0)), "is empty"),
        (resize((2, 4), scales=(2,)), "2 entries, not 3"),
        (resize((2, 4), sizes=(2,)), "2 entries, not 3"),
        (resize((2, 4), scales=(1, 2), sizes=(2, 8)), "either scales or sizes"),
        (resize((2, 4)), "either scales or sizes"),
        (resize((2, 4), scales=(1, 2), antialias=1), "antialias"),
        (resize((2, 4), sizes=(2, 8), keep_aspect_ratio_policy="x"), "policy 'x'"),
        (
            resize(
                (2, 3, 4), sizes=(2, 6, 6), roi=REGION, mode="linear", antialias=1,
                coordinate_transformation_mode="tf_crop_and_resize",
            ),
            "antialias with tf_crop_and_resize",
        ),
        (
            resize(
                (2, 4), sizes=(2, 6), roi=REGION,
                coordinate_transformation_mode="tf_crop_and_resize",
            ),
            "8 entries, not 6",
        ),
        (one_op("Resize", (2, 4), "x", None, "x"), "must be a constant"),
        (one_op("Upsample", (2, 4), "x", np.array([1, 2, 0.5], np.float32), opset=9), "below 1"),
        (one_op("Upsample", (2, 4), "x", np.array([1, 2], np.float32), opset=9), "do not fit"),
    ],
)  # fmt: skip
def test_refuses(model, words):
    assert words in refusal(model).reason
