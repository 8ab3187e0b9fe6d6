"""Everything ONNX: reading a model, writing a gradient graph, running either.

The only package that imports onnx and onnxruntime.
"""

from onnx_lippa.onnx_io.compiler import gradient_model, write_gradient
from onnx_lippa.onnx_io.limits import LoadLimits
from onnx_lippa.onnx_io.model import Model, ModelSource, inspect, load
from onnx_lippa.onnx_io.packed import PackedModel
from onnx_lippa.onnx_io.preprocess import Preprocess
from onnx_lippa.onnx_io.reader import read_files, read_model
from onnx_lippa.onnx_io.runtime import GradientRuntime, Runtime

__all__ = [
    "GradientRuntime",
    "LoadLimits",
    "Model",
    "ModelSource",
    "PackedModel",
    "Preprocess",
    "Runtime",
    "gradient_model",
    "inspect",
    "load",
    "read_files",
    "read_model",
    "write_gradient",
]
