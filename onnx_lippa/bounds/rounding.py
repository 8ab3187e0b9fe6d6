"""Constants of rounding that every proof over floating-point numbers uses.

The model is Higham's (Accuracy and Stability of Numerical Algorithms, chapters 2 and 3). A sum of t
products, in any order, fused or not, is off by at most ``γ_t = t u / (1 - t u)`` times the sum of
their absolute values, with u the unit roundoff, and by the least normal number for each product
that underflows. All bounds below take ``t EPSILON = 2 t u`` for γ_t.
"""

from __future__ import annotations

from typing import Final

import numpy as np

EPSILON: Final = float(np.finfo(np.float64).eps)
"""``2^-52``, twice the unit roundoff of float64."""
TINY: Final = 1e-300
"""Absolute error of a product that underflows, with room."""
UNDERFLOW: Final = 1e-290
"""Absolute error of a sum of products that underflow, with room."""
ROOM: Final = 1 + 1e-9
"""Factor for sums of absolute values and of errors, which are rounded themselves."""
OUTWARD: Final = 1 + 8 * EPSILON
"""Factor for radii and distances."""
