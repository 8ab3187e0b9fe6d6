"""Data files, one file per format, and the conversions and checks of inputs and labels."""

from onnx_lippa.data.convert import check_domain, check_inputs, check_labels
from onnx_lippa.data.data import Data, open_data
from onnx_lippa.data.example import load_example
from onnx_lippa.data.files import Format, Request, Stored, StoredData
from onnx_lippa.data.memory import convert_arrays
from onnx_lippa.data.options import DataOptions
from onnx_lippa.data.rows import Rows

__all__ = [
    "Data",
    "DataOptions",
    "Format",
    "Request",
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
