"""VNN-LIB: the text format in which properties of networks are written."""

from onnx_lippa.spec.vnnlib.parser import Query, parse
from onnx_lippa.spec.vnnlib.reader import digest, read

__all__ = ["Query", "digest", "parse", "read"]
