"""How data is read, as people have it: lists, and the arrays of NumPy and pandas."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import DataOptions, InputError
from tests.support.attacks import DIGITS, digits


@pytest.mark.parametrize("make", [list, tuple, np.array, lambda v: np.array(v, dtype=object)])
def test_names_in_any_sequence(make):
    names = ["a", "b"]
    options = DataOptions(features=make(names), classes=make(names), categorical=make(["a"]),
                          indices=make([0, 2]))  # fmt: skip
    assert options == DataOptions(
        features=("a", "b"), classes=("a", "b"), categorical=("a",), indices=(0, 2)
    )
    assert options.as_json() == {"features": names, "classes": names, "categorical": ["a"]}
    held = [*(options.features or ()), *(options.indices or ())]
    assert {*map(type, held)} == {str, int}
    assert DataOptions.parse(options.as_json()).features == ("a", "b")


def test_names_in_arrays_reach_the_folder(tmp_path):
    """As the columns of a pandas frame, or the classes of a scikit-learn encoder."""
    _, x, y = digits()
    options = DataOptions(features=np.array([f"f{i}" for i in range(64)]),
                          classes=np.array([f"d{i}" for i in range(10)]))  # fmt: skip
    results = onnx_lippa.attack(
        DIGITS, x[:2], y[:2], eps=0.05, restarts=1, workers=1, fixed=["f3"],
        data_options=options, out=tmp_path / "run",
    )  # fmt: skip
    features = results.inputs.reading.features
    assert features is not None
    assert features[3] == "f3"
    assert onnx_lippa.replay(tmp_path / "run")


def test_one_text_is_no_list():
    with pytest.raises(InputError, match="classes is one text, 'abc': give a list of names"):
        DataOptions(classes="abc")
