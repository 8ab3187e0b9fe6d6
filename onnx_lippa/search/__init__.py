"""Complete search: branch and bound whose bounds are dual and whose leaves are LPSteps."""

from onnx_lippa.search.boxes import BoxSearch
from onnx_lippa.search.neurons import NeuronSearch
from onnx_lippa.search.programs import ProgramSearch
from onnx_lippa.search.result import Limits, Searched, SearchStatus, relates_inputs
from onnx_lippa.search.switches import SwitchSearch

__all__ = [
    "BoxSearch",
    "Limits",
    "NeuronSearch",
    "ProgramSearch",
    "SearchStatus",
    "Searched",
    "SwitchSearch",
    "relates_inputs",
]
