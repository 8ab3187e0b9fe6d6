"""Data files read at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from onnx_lippa.arrays import FLOAT32
from onnx_lippa.data import open_data


def read_data(path: Path, sample_shape: tuple[int, ...], dtype: np.dtype = FLOAT32) -> Any:
    """The data of a file, but its inputs an array in place of rows."""
    data = open_data(path, sample_shape, dtype)
    return replace(data, inputs=data.inputs[:])
