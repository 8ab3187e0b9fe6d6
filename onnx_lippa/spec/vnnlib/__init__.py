"""VNN-LIB, the text format of properties of networks."""

from onnx_lippa.spec.vnnlib.parser import Query, parse
from onnx_lippa.spec.vnnlib.reader import digest, read

__all__ = ["Query", "digest", "parse", "read"]
