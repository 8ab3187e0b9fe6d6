"""Data files read at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from onnx_lippa.arrays import FLOAT32
from onnx_lippa.data import Data, open_data


def read_data(path: Path, sample_shape: tuple[int, ...], dtype: np.dtype = FLOAT32) -> Data:
    """The data of a file, its inputs as an array."""
    data = open_data(path, sample_shape, dtype)
    return replace(data, inputs=data.inputs[:])
