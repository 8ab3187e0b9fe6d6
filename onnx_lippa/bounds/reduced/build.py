"""The rectified system of a network over a set of inputs."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import States, size
from onnx_lippa.bounds.reduced.affine import Forms
from onnx_lippa.bounds.reduced.domain import Reach
from onnx_lippa.bounds.reduced.folding import Folding, Tightening, inputs_as_forms
from onnx_lippa.bounds.reduced.pieces import folded
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network


def rectified(
    network: Network, reach: Reach, tightening: Tightening, signs: States | None = None
) -> RectifiedSystem:
    """Everything that the inputs decide folded into affine maps between undecided ReLUs.

    Args:
        network: the network.
        reach: the inputs.
        tightening: what to do for the bounds of pre-activations, and what it may take.
        signs: (scalar units,) of switches: 1 or -1 where only inputs with ``d >= 0`` or ``d < 0``
            count, 0 elsewhere; None where all of them count.

    Raises:
        NoInputsError: no input has these signs.
        TooLargeError, OutOfTimeError: the forms do not fit, or take too long.
        NoRelaxationError: a layer of a kind that is not known.
    """
    folding = Folding(reach, tightening, signs)
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
                values[i] = Forms.constant(np.zeros(0))  # no longer needed
    return folding.system(values[-1].reshaped((network.output_size,)))
