"""How much memory and time loading a model may take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onnx_lippa.errors import InputError
from onnx_lippa.ir.layers.limits import DEFAULT_MEMORY, SizeLimits


@dataclass(frozen=True)
class LoadLimits:
    """What loading a model may take, for files from others.

    With limits a model is tried in a child process first, so that a file that takes all memory,
    never ends or ends its process does so there. Without, its shapes alone are held against
    the default memory.

    Attributes:
        memory: bytes; larger tensors and constants are refused before they are made.
        seconds: seconds of the trial.

    Raises:
        InputError: a limit is none.
    """

    memory: int = DEFAULT_MEMORY
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.memory < 1 << 20:
            raise InputError(f"the memory of {self.memory} bytes is too little: give at least 1 MB")
        if not self.seconds > 0 or math.isnan(self.seconds):
            raise InputError(f"the {self.seconds} seconds of loading must be positive")

    @property
    def sizes(self) -> SizeLimits:
        """How large the model's tensors may become."""
        return SizeLimits(self.memory)
