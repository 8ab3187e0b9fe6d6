"""Specifications: which inputs are allowed, and which outputs are unsafe."""

from onnx_lippa.spec.categories import Categories
from onnx_lippa.spec.feature_names import PerFeature
from onnx_lippa.spec.formula import And, Comparison, Formula, Or
from onnx_lippa.spec.input_set import Grid, InputSet, StatedSet
from onnx_lippa.spec.input_specification import InputSpecification
from onnx_lippa.spec.norms import L1, L2, LInf, Norm, WeightedNorm, get_norm
from onnx_lippa.spec.norms.embedding import BallConstraint, Embedding, Rows
from onnx_lippa.spec.output_set import Conjunction, UnsafeSet
from onnx_lippa.spec.problem import FARTHEST, SEARCH_DISTANCES, ExactClaim, Problem, build_inputs
from onnx_lippa.spec.property import Case, Property
from onnx_lippa.spec.specification import ProblemSet, Specification, Targets

__all__ = [
    "FARTHEST",
    "L1",
    "L2",
    "SEARCH_DISTANCES",
    "And",
    "BallConstraint",
    "Case",
    "Categories",
    "Comparison",
    "Conjunction",
    "Embedding",
    "ExactClaim",
    "Formula",
    "Grid",
    "InputSet",
    "InputSpecification",
    "LInf",
    "Norm",
    "Or",
    "PerFeature",
    "Problem",
    "ProblemSet",
    "Property",
    "Rows",
    "Specification",
    "StatedSet",
    "Targets",
    "UnsafeSet",
    "WeightedNorm",
    "build_inputs",
    "get_norm",
]
