"""How much memory and time loading a model may take.

Sizes are known from the shapes of a model before anything is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onnx_lippa.arrays import Shape, size
from onnx_lippa.errors import InputError, Unsupported

DEFAULT_MEMORY: Final = 1 << 32
"""Bytes that loading a model may take where nothing else is said: what a laptop has to spare."""


MOST_AXES: Final = 28
"""Most axes of a tensor: NumPy before 2.0 has 32, and layers add some of their own."""


@dataclass(frozen=True)
class SizeLimits:
    """What a model's tensors may come to.

    Attributes:
        memory: bytes that loading it may take.
    """

    memory: int = DEFAULT_MEMORY

    @property
    def elements(self) -> int:
        """Most elements that one sample of a tensor may have: 8 million by default."""
        return self.memory >> 9

    @property
    def all_elements(self) -> int:
        """Most elements that one sample of all tensors together may have."""
        return self.memory >> 5

    @property
    def matrix(self) -> int:
        """Most entries of a matrix that a layer makes of its attributes."""
        return self.memory >> 7

    @property
    def constant(self) -> int:
        """Most bytes of one constant that is computed from others."""
        return self.memory >> 4

    @property
    def constants(self) -> int:
        """Most bytes of all of these together."""
        return self.memory >> 3

    def require_elements(self, shape: Sequence[int], what: str = "its output") -> None:
        """Raises Unsupported where one sample of a tensor would be too large."""
        if len(shape) > MOST_AXES:
            raise Unsupported(f"{what} has {len(shape)} axes, of which {MOST_AXES} are supported")
        if size(tuple(shape)) > self.elements:
            raise Unsupported(
                f"{what} of shape {_shown(shape)} is too large: {self.elements:,} elements of "
                "a sample fit into the memory that loading may take (--load-memory)"
            )

    def require_matrix(self, *extents: int) -> None:
        """Raises Unsupported where a matrix of these extents would be too large."""
        if size(tuple(map(int, extents))) > self.matrix:
            raise Unsupported(
                f"it needs a matrix of shape {_shown(extents)}, which is too large for the "
                "memory that loading may take (--load-memory)"
            )


DEFAULT_LIMITS: Final = SizeLimits()
"""Those that hold where nothing else is said."""


def _shown(shape: Sequence[int]) -> str:
    extents: Shape = tuple(map(int, shape))
    return str(extents)


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
