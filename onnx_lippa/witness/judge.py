"""The independent replay of a candidate through ONNX Runtime.

No attack grades itself: it hands candidates to a :class:`Judge`, which knows nothing of how they
were found and uses none of the imported network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.onnx_io import Runtime
from onnx_lippa.spec import Asked, InputSet, UnsafeSet


@dataclass(frozen=True)
class Witness:
    """A stored input that was replayed and found unsafe.

    Attributes:
        x: (d,) in the type of the model, the array itself.
        outputs: (k,) what ONNX Runtime gives for it alone.
        distance: its distance to the clean input, in float64.
    """

    x: Floats
    outputs: Floats
    distance: float

    @property
    def prediction(self) -> int:
        """The class with the largest output (the first of them in a tie)."""
        return int(np.argmax(self.outputs))


@final
class Judge:
    """Replays candidates: alone and in a batch, with no tolerance.

    Args:
        runtime: the model itself in ONNX Runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def witness(
        self, candidate: Floats, inputs: InputSet, unsafe: UnsafeSet, asked: Asked | None = None
    ) -> Witness | None:
        """The witness that a candidate (d,) rounds to, or None where it does not hold.

        The candidate is rounded inward to the type of the model, must lie in the input set exactly
        (float64, no tolerance), and must be unsafe both alone and beside the clean input in a
        batch. Where a property is asked for, its exact formula decides in place of the unsafe
        set, whose numbers are rounded.
        """
        x = inputs.to_model_type(candidate.astype(np.float64).ravel())
        return self.replay(x, inputs, unsafe, asked)

    def replay(
        self, x: Floats, inputs: InputSet, unsafe: UnsafeSet, asked: Asked | None = None
    ) -> Witness | None:
        """The witness that a stored input (d,) is, unchanged, or None where it does not hold."""
        if not inputs.contains(x):
            return None
        alone = self._runtime.outputs_alone(x[None])[0]
        if not _is_sought(x, alone, unsafe, asked):
            return None
        clean = inputs.center.astype(inputs.dtype)
        together = self._runtime.outputs(np.stack([clean, x]))[1]
        if not _is_sought(x, together, unsafe, asked):
            return None
        return Witness(x, alone, inputs.distance(x))


def _is_sought(x: Floats, outputs: Floats, unsafe: UnsafeSet, asked: Asked | None) -> bool:
    return unsafe.contains(outputs) if asked is None else asked.holds(x, outputs)
