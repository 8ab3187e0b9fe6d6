import numpy as np
import pytest

from onnx_lippa.data import check_domain, check_labels
from onnx_lippa.errors import InputError


def test_values_in_the_domain_pass():
    inputs = np.array([[0.0, 1.0], [0.5, -3.0]], np.float32)
    check_domain(inputs[:1], 0.0, 1.0)
    check_domain(inputs, np.array([0.0, -3.0]), np.array([0.5, 1.0]))
    check_domain(inputs, -np.inf, np.inf)


def test_the_first_value_outside_is_named_and_all_inputs_counted():
    inputs = np.array([[0, 1], [0, 255], [-1, 2], [1, 1]], np.float32)
    with pytest.raises(InputError) as caught:
        check_domain(inputs, 0.0, 1.0)
    assert str(caught.value) == (
        "input 1 holds 255.0 at feature 1, outside the domain [0.0, 1.0] (2 of 4 inputs lie "
        "outside it): give the right domain with --lower and --upper or scale the data"
    )


def test_each_feature_has_its_own_bounds():
    with pytest.raises(InputError, match=r"at feature 1, outside the domain \[0.0, 0.25\]"):
        check_domain(np.full((1, 2), 0.5, np.float32), np.zeros(2), np.array([1.0, 0.25]))


@pytest.mark.parametrize("as_bound", [float, np.float64, np.array])
def test_bounds_are_not_rounded_to_float32(as_bound):
    above = np.array([[0.1]], np.float32)  # 0.100000001490116...
    with pytest.raises(InputError, match="outside the domain"):
        check_domain(above, 0.0, as_bound(0.1))


def test_nan_is_outside():
    with pytest.raises(InputError, match="holds nan"):
        check_domain(np.array([[np.nan]], np.float32), -np.inf, np.inf)


def test_labels_that_are_classes_pass():
    check_labels(np.array([0, 9, 3]), 10)


@pytest.mark.parametrize("bad", [-1, 10, 2**40])
def test_the_first_label_that_is_no_class_is_named(bad):
    with pytest.raises(InputError) as caught:
        check_labels(np.array([0, bad, bad]), 10)
    assert str(caught.value) == (
        f"label {bad} of input 1 is not a class: the model has 10 outputs, so give labels from "
        "0 to 9"
    )
