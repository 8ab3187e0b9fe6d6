"""The models that ship with the project."""

from pathlib import Path

import pytest

from onnx_lippa.onnx_io import load
from tests.support.layers import check_loaded

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.onnx"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_imports_exactly(path):
    model = load(path)
    assert model.interface.batch_is_free
    assert model.network.output_size == 10
    assert model.network.notes == ()
    check_loaded(model)


def test_there_are_some():
    assert MODELS
