"""The models that ship with the project."""

import pytest

from onnx_lippa.onnx_io import load
from tests.support.layers import check_loaded
from tests.support.paths import MODELS

FILES = sorted(MODELS.glob("*.onnx"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_exactly(path):
    model = load(path)
    assert model.interface.batch_is_free
    assert model.network.output_size == 10
    assert model.network.notes == ()
    check_loaded(model)


def test_there_are_some():
    assert FILES
