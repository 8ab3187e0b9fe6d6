"""The rectified system of a network over a set of inputs."""

from __future__ import annotations

from typing import Final

from onnx_lippa.arrays import size
from onnx_lippa.certify.rectified.folding import Folding, Tightening, inputs_as_forms
from onnx_lippa.certify.rectified.forms import Forms
from onnx_lippa.certify.rectified.pieces import folded
from onnx_lippa.certify.rectified.reach import Reach
from onnx_lippa.certify.rectified.system import RectifiedSystem
from onnx_lippa.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.network import Network

MEMORY: Final = 1.5e9
"""Bytes that the forms of one value may take unless more are allowed."""


def rectified(
    network: Network, reach: Reach, tightening: Tightening, memory: float = MEMORY
) -> RectifiedSystem:
    """Everything that the inputs decide folded into affine maps between undecided ReLUs.

    Args:
        network: the network.
        reach: the inputs.
        tightening: what to do for the bounds of pre-activations.
        memory: bytes that the forms of one value may take.

    Raises:
        TooLargeError: the forms do not fit.
        NoRelaxationError: a layer of a kind that is not known.
    """
    folding = Folding(reach, tightening, memory)
    last_use = {i: place for place, step in enumerate(network.steps) for i in step.inputs}
    values: list[Forms] = [inputs_as_forms(reach, network)]
    first = 0
    for place, step in enumerate(network.steps):
        layer, operands = step.layer, [values[i] for i in step.inputs]
        if isinstance(layer, AffineLayer):
            values.append(folding.affine(layer, operands))
        elif isinstance(layer, PiecewiseLayer):
            values.append(folded(folding, layer, operands[0], first))
            first += size(layer.shape)
        for i in step.inputs:
            if last_use[i] == place:
                values[i] = Forms.constant(values[i].on_input[0, ...] * 0)  # no longer needed
    return folding.system(values[-1].reshaped((network.output_size,)))
