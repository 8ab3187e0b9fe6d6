"""Data files, one file per format, and the conversions and checks of inputs and labels."""

from onnx_lippa.data.convert import check_domain, check_inputs, check_labels, convert_arrays
from onnx_lippa.data.data import Data, open_data
from onnx_lippa.data.example import load_example
from onnx_lippa.data.files import Format, Stored, StoredData
from onnx_lippa.data.rows import Rows

__all__ = [
    "Data",
    "Format",
    "Rows",
    "Stored",
    "StoredData",
    "check_domain",
    "check_inputs",
    "check_labels",
    "convert_arrays",
    "load_example",
    "open_data",
]
