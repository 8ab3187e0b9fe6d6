"""The network as a tape of layers, and the two passes over it."""

from onnx_lippa.network.network import Network, Step
from onnx_lippa.network.passes import forward_pass, states_of, transpose_pass
from onnx_lippa.network.pattern import ActivationPattern

__all__ = [
    "ActivationPattern",
    "Network",
    "Step",
    "forward_pass",
    "states_of",
    "transpose_pass",
]
