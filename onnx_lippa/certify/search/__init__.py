"""Complete search: branch and bound whose bounds are dual and whose leaves are LPSteps."""

from onnx_lippa.certify.search.boxes import BoxSearch
from onnx_lippa.certify.search.neurons import NeuronSearch
from onnx_lippa.certify.search.programs import ProgramSearch
from onnx_lippa.certify.search.result import Limits, Searched, SearchStatus, relates_inputs

__all__ = [
    "BoxSearch",
    "Limits",
    "NeuronSearch",
    "ProgramSearch",
    "SearchStatus",
    "Searched",
    "relates_inputs",
]
