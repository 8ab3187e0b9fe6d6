"""The question: which inputs are allowed, and which outputs are unsafe."""

from onnx_lippa.question.asked import FARTHEST, REACHES, Asked, inputs_of
from onnx_lippa.question.embedding import Embedding
from onnx_lippa.question.features import Features, PerFeature
from onnx_lippa.question.formula import Comparison, Every, Formula, Some
from onnx_lippa.question.grid import Grid
from onnx_lippa.question.input_set import InputSet
from onnx_lippa.question.norms import L1, L2, LInf, Norm, Scaled, norm_named
from onnx_lippa.question.problem import Problem
from onnx_lippa.question.property import Case, Property
from onnx_lippa.question.stated import StatedSet
from onnx_lippa.question.unsafe_set import Conjunction, UnsafeSet

__all__ = [
    "FARTHEST",
    "L1",
    "L2",
    "REACHES",
    "Asked",
    "Case",
    "Comparison",
    "Conjunction",
    "Embedding",
    "Every",
    "Features",
    "Formula",
    "Grid",
    "InputSet",
    "LInf",
    "Norm",
    "PerFeature",
    "Problem",
    "Property",
    "Scaled",
    "Some",
    "StatedSet",
    "UnsafeSet",
    "inputs_of",
    "norm_named",
]
