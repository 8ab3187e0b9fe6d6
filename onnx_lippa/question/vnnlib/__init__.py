"""VNN-LIB: the text format in which properties of networks are written."""

from onnx_lippa.question.vnnlib.parser import Query, parse
from onnx_lippa.question.vnnlib.reader import digest, read

__all__ = ["Query", "digest", "parse", "read"]
