"""The question: which inputs are allowed, and which outputs are unsafe."""

from onnx_lippa.spec.asked import FARTHEST, REACHES, Asked, inputs_of
from onnx_lippa.spec.embedding import Embedding
from onnx_lippa.spec.features import Features, PerFeature
from onnx_lippa.spec.formula import Comparison, Every, Formula, Some
from onnx_lippa.spec.grid import Grid
from onnx_lippa.spec.input_set import InputSet
from onnx_lippa.spec.norms import L1, L2, LInf, Norm, Scaled, norm_named
from onnx_lippa.spec.problem import Problem
from onnx_lippa.spec.property import Case, Property
from onnx_lippa.spec.stated import StatedSet
from onnx_lippa.spec.unsafe_set import Conjunction, UnsafeSet

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
