"""Data files: one file each per format, and the checks that need the model or the domain."""

from onnx_lippa.data.base import Format, Stored, StoredData
from onnx_lippa.data.checks import check_domain, check_grid, check_inputs, check_labels
from onnx_lippa.data.data import Data, OpenData, open_data, read_data
from onnx_lippa.data.rows import Rows

__all__ = [
    "Data",
    "Format",
    "OpenData",
    "Rows",
    "Stored",
    "StoredData",
    "check_domain",
    "check_grid",
    "check_inputs",
    "check_labels",
    "open_data",
    "read_data",
]
