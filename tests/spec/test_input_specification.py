"""What a user says of features: sets of inputs that follow from it, and clear refusals."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from onnx_lippa.data import check_inputs
from onnx_lippa.errors import InputError
from onnx_lippa.spec import InputSpecification, LInf, Norm, WeightedNorm
from tests.support.norms import NORMS

EACH_NORM = pytest.mark.parametrize("norm", NORMS, ids=lambda norm: norm.name)
CLEAN = np.array([0.25, 0.5, 0.75], dtype=np.float32)


@EACH_NORM
def test_numbers_are_what_they_were(norm: Norm) -> None:
    """Plain numbers keep the plain norm, so nothing changes by a bit."""
    inputs = InputSpecification(eps=0.1, lower=-1.0, upper=2.0).input_set(CLEAN, norm)
    assert inputs.norm is norm
    assert (inputs.eps, inputs.grid, inputs.dtype) == (0.1, None, np.dtype(np.float32))
    np.testing.assert_array_equal(inputs.lower, np.full(3, -1.0))
    np.testing.assert_array_equal(inputs.upper, np.full(3, 2.0))
    assert InputSpecification().input_set(CLEAN, norm).eps == math.inf


def test_the_type_is_that_of_the_clean_input() -> None:
    assert (
        InputSpecification(eps=0.1).input_set(CLEAN.astype(np.float64), LInf()).dtype == np.float64
    )


@EACH_NORM
def test_an_eps_for_each_feature_is_a_scaled_norm(norm: Norm) -> None:
    inputs = InputSpecification.build(3, eps=np.array([0.1, 0.0, 2.0])).input_set(CLEAN, norm)
    assert isinstance(inputs.norm, WeightedNorm)
    assert (inputs.norm.name, inputs.norm.solver, inputs.eps) == (norm.name, norm.solver, 1.0)
    np.testing.assert_array_equal(inputs.norm.scale, [0.1, 0.0, 2.0])
    np.testing.assert_array_equal(inputs.lower, [0.0, 0.5, 0.0])
    np.testing.assert_array_equal(inputs.upper, [1.0, 0.5, 1.0])


@EACH_NORM
@pytest.mark.parametrize("eps", [None, 0.2, (0.1, 0.2, 0.3)])
@pytest.mark.parametrize("fixed", [[1], np.array([False, True, False])])
def test_fixed_features(norm: Norm, eps, fixed) -> None:
    features = InputSpecification.build(3, eps=eps, fixed=fixed)
    assert features.fixed == (1,)
    inputs = features.input_set(CLEAN, norm)
    np.testing.assert_array_equal(inputs.lower, [0.0, 0.5, 0.0])
    np.testing.assert_array_equal(inputs.upper, [1.0, 0.5, 1.0])
    assert inputs.free_features == 2
    assert inputs.distance(CLEAN + np.array([0.125, 0, 0], np.float32)) == pytest.approx(
        0.125 / (eps[0] if isinstance(eps, tuple) else 1.0)
    )
    moved = CLEAN.copy()
    moved[1] = np.nextafter(moved[1], np.float32(0))
    assert not inputs.contains(moved)


def test_a_grid_binds_only_what_moves() -> None:
    features = InputSpecification.build(3, eps=[1.0, 1.0, 0.0], fixed=[0], grid=0.1)
    inputs = features.input_set(CLEAN, LInf())
    assert inputs.grid is not None
    np.testing.assert_array_equal(inputs.grid.steps, [0.0, 0.1, 0.0])
    assert inputs.contains(CLEAN)
    assert InputSpecification.build(2, fixed=[0, 1], grid=0.1).grid_of(2) is None


def test_arrays_of_any_shape_and_type() -> None:
    eps = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    features = InputSpecification.build(
        6, eps=eps, lower=eps.astype(np.int8) - 1, upper=list(range(1, 7)), grid=np.float32(1),
        fixed=np.zeros((2, 3), dtype=bool),
    )  # fmt: skip
    assert (features.eps, features.scale) == (1.0, tuple(float(i) for i in range(6)))
    assert features.lower == (-1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
    assert features.upper == tuple(float(i) for i in range(1, 7))
    assert (features.grid, features.fixed) == (1.0, ())


@EACH_NORM
def test_eps_and_scale_are_separate(norm: Norm) -> None:
    scale = np.array([0.5, 0.0, 2.0])
    specification = InputSpecification.build(3, eps=0.25, scale=scale, lower=-9, upper=9)
    inputs = specification.input_set(CLEAN, norm)
    assert inputs.eps == 0.25
    np.testing.assert_array_equal(inputs.radii, 0.25 * scale)
    for feature, step in ((0, 0.125), (2, 0.5)):
        moved = CLEAN.astype(np.float64)
        moved[feature] += step
        assert inputs.distance(moved) == pytest.approx(0.25, abs=1e-6)
        moved[feature] += step
        assert not inputs.contains(moved)
    everywhere = InputSpecification.build(3, eps=1.5, scale=0.5)
    assert everywhere.scale == (0.5, 0.5, 0.5)
    measured = InputSpecification.build(3, scale=scale).input_set(CLEAN, norm)
    assert measured.eps == math.inf
    assert measured.distance(CLEAN + np.array([0.125, 0, 0], np.float32)) == pytest.approx(0.25)


def test_radii_per_feature_are_a_scale() -> None:
    """In folders of before there was a scale, and in files, eps has a number for each feature."""
    radii = [0.1, 0.0, 0.3]
    built = InputSpecification.build(3, eps=radii)
    assert (built.eps, built.scale) == (1.0, tuple(radii))
    before = {"lower": 0.0, "upper": 1.0, "eps": radii, "fixed": [], "grid": 0.0}
    assert InputSpecification.parse(before) == built
    assert json.loads(json.dumps(built.as_json())) == before
    scaled = InputSpecification.build(3, eps=0.5, scale=radii)
    assert InputSpecification.parse(json.loads(json.dumps(scaled.as_json()))) == scaled
    with pytest.raises(InputError, match="give one number as eps"):
        InputSpecification.build(3, eps=radii, scale=radii)
    with pytest.raises(ValueError, match="eps and scale"):
        InputSpecification.parse(before | {"scale": radii})


def test_they_survive_json_and_compare() -> None:
    features = InputSpecification.build(
        3, eps=np.float32([0.1, 1 / 3, 1e-30]), lower=[-np.inf, 0.1, 0], upper=1.0, fixed=[2]
    )
    assert InputSpecification.parse(json.loads(json.dumps(features.as_json()))) == features
    assert features != InputSpecification.build(3, eps=[0.1, 1 / 3, 1e-30])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"eps": -0.1}, "eps is -0.1: "),
        ({"eps": np.nan}, "eps is nan: "),
        ({"eps": np.inf}, "eps is inf: "),
        ({"eps": [0.1, -0.2, 0.1]}, "eps is -0.2 at feature 1: "),
        ({"eps": [0.1, 0.2, np.nan]}, "eps is nan at feature 2: "),
        ({"eps": [np.inf, 0.2, 0.1]}, "eps is inf at feature 0: "),
        ({"eps": [0.1, 0.2]}, "eps holds 2 values, but the model takes 3 features"),
        ({"eps": []}, "eps holds 0 values, but the model takes 3 features"),
        ({"lower": np.zeros(4)}, "lower holds 4 values, but the model takes 3 features"),
        ({"upper": np.ones((2, 2))}, "upper holds 4 values"),
        ({"grid": [1.0]}, "grid holds 1 values"),
        ({"lower": 1.0, "upper": 0.5}, r"\[1.0, 0.5\] is empty"),
        ({"lower": np.nan}, "is empty"),
        ({"lower": [0, np.nan, 0]}, "lower is nan at feature 1"),
        ({"lower": 0.5, "upper": [1, 1, 0.25]}, r"\[0.5, 0.25\] of feature 2 is empty"),
        ({"lower": [0, 0, np.inf], "upper": np.inf}, "of feature 2 is empty"),
        ({"upper": [0, -np.inf, 0], "lower": -np.inf}, "of feature 1 is empty"),
        ({"grid": -1.0}, "the step of the grid is -1.0: "),
        ({"grid": [0, np.nan, 1]}, "the step of the grid is nan at feature 1"),
        ({"grid": np.inf}, "the step of the grid is inf"),
        ({"grid": [0, 0, 2], "lower": 0.5, "upper": 1.5}, "feature 2 takes multiples of 2, but"),
        ({"fixed": [3]}, "name 3, but the model takes 3 features: give features from 0 to 2"),
        ({"fixed": [-1]}, "negative"),
        ({"fixed": [0, 0]}, "twice"),
        ({"fixed": [0.5]}, "whole numbers or names, or a boolean mask"),
        ({"fixed": [True, False]}, "mask of fixed features holds 2 values"),
        ({"fixed": np.zeros((2, 2), int)}, "whole numbers or names, or a boolean mask"),
        ({"eps": "0.1"}, "eps holds values of type"),
        ({"eps": [0.1, None, 0.2]}, "eps holds values of type object"),
        ({"lower": 1j}, "lower holds values of type complex"),
        ({"grid": [[1, 2], [3]]}, "grid is ragged"),
        ({"eps": [True, False, True]}, "type bool"),
    ],
)
def test_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        InputSpecification.build(3, **given)


def test_one_point_domains_of_single_features() -> None:
    features = InputSpecification.build(3, lower=[0, 0.5, 0], upper=[1, 0.5, 1], eps=0.1)
    assert features.input_set(CLEAN, LInf()).free_features == 2


# Clean inputs


def rows(*values: float) -> np.ndarray:
    return np.array([CLEAN, values], dtype=np.float32)


def test_clean_inputs_that_are_fine() -> None:
    check_inputs(rows(0.1, 0.2, 0.3), InputSpecification())
    check_inputs(rows(0.1, 0.5, 0.3), InputSpecification(grid=(0.0, 0.5, 0.0)))
    # What does not move may be anywhere.
    check_inputs(rows(7.0, 0.2, 0.3), InputSpecification(fixed=(0,)))
    check_inputs(rows(7.0, 0.2, 0.3), InputSpecification(eps=1.0, scale=(0.0, 0.1, 0.1)))
    check_inputs(rows(0.33, 0.5, 1.0), InputSpecification(grid=0.25, fixed=(0,)))


@pytest.mark.parametrize(
    ("values", "features", "says"),
    [
        ((0.1, 1.5, 0.3), InputSpecification(),
         "input 1 holds 1.5 at feature 1, outside the domain"),
        ((0.1, 0.2, 0.3), InputSpecification(upper=(1, 0.6, 0.7)),
         r"input 0 .* feature 2, .*\[0.0, 0.7\]"),
        ((0.1, 0.5, 0.5), InputSpecification(grid=0.25),
         "input 1 holds 0.1 at feature 0, which is no multiple of 0.25 .1 of 2 inputs lie off the "
         "grid.: the nearest is 0.0; give"),
        ((0.0, 0.5, 0.6), InputSpecification(grid=(0, 0, 0.25)),
         "0.6 at feature 2, .* nearest is 0.5;"),
        ((0.5, 0.5, 0.6), InputSpecification(grid=1 / 255),
         "input 0 holds 0.25 at feature 0, .* 0.250980"),
    ],
)  # fmt: skip
def test_clean_inputs_refused(values, features: InputSpecification, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_inputs(rows(*values), features)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_drawn_inputs_are_in_the_domain_and_on_the_grid(dtype: type) -> None:
    features = InputSpecification.build(
        5,
        lower=[0.1, -np.inf, 3, 0, -1],
        upper=[0.2, 0, np.inf, 7, 1],
        grid=[0, 0, 0.5, 1, 1 / 255],
    )
    drawn = features.draw(np.random.default_rng(0), 300, 5, np.dtype(dtype))
    assert drawn.dtype == dtype
    assert drawn.shape == (300, 5)
    check_inputs(drawn, features)
    assert all(len(np.unique(column)) >= 4 for column in drawn.T[[0, 1, 3, 4]])
    assert set(np.unique(drawn[:, 3])) == set(range(8))


def test_numbers_draw_what_they_drew() -> None:
    for lower, upper in ((0.0, 1.0), (-0.3, 0.7)):
        drawn = InputSpecification(lower, upper).draw(
            np.random.default_rng(5), 4, 3, np.dtype(np.float32)
        )
        plain = np.random.default_rng(5).uniform(lower, upper, (4, 3)).astype(np.float32)
        np.testing.assert_array_equal(drawn, plain)
    drawn = InputSpecification(0.0, np.inf).draw(
        np.random.default_rng(5), 4, 3, np.dtype(np.float64)
    )
    plain = np.random.default_rng(5).standard_normal((4, 3)).clip(0)
    np.testing.assert_array_equal(drawn, plain)
