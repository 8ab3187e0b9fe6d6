"""VNN-LIB: the text format in which properties of networks are written."""

from onnx_lippa.question.vnnlib.parser import Query, parse
from onnx_lippa.question.vnnlib.reader import read

__all__ = ["Query", "parse", "read"]
