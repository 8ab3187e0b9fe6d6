"""Adam, row by row (Kingma, Ba, ICLR 2015)."""

from __future__ import annotations

from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Floats, Integers

_FIRST: Final = 0.9
_SECOND: Final = 0.999
_SMALL: Final = 1e-8


@final
class Adam:
    """Moments of the gradients of some rows, and the moves that follow from them.

    Args:
        like: (n, d) an array in the shape and type of the variables.
        rate: the learning rate.
    """

    def __init__(self, like: Floats, rate: float) -> None:
        self._rate, self._steps = rate, 0
        self._first: Floats = np.zeros_like(like)
        self._second: Floats = np.zeros_like(like)

    def move(self, gradient: Floats) -> Floats:
        """The next moves (n, d) for gradients (n, d)."""
        self._steps += 1
        self._first = self._first * _FIRST + (1 - _FIRST) * gradient
        self._second = self._second * _SECOND + (1 - _SECOND) * gradient * gradient
        # The corrections of both moments for their start at 0 are numbers.
        ahead = self._rate / (1 - _FIRST**self._steps)
        root = np.sqrt(self._second) / float(np.sqrt(1 - _SECOND**self._steps))
        return -ahead * self._first / (root + _SMALL)

    def keep(self, kept: Integers) -> None:
        """Drops all other rows."""
        self._first, self._second = self._first[kept], self._second[kept]
