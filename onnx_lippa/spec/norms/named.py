"""The norms by name; the one list a new norm is added to."""

from __future__ import annotations

from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.l1 import L1
from onnx_lippa.spec.norms.l2 import L2
from onnx_lippa.spec.norms.linf import LInf

_NORMS: Final[tuple[Norm, ...]] = (LInf(), L1(), L2())


def norm_named(norm: str | float | Norm) -> Norm:
    """The norm called ``"linf"``, ``"l1"`` or ``"l2"``, or of order ``np.inf``, 1 or 2.

    Raises:
        InputError: there is no such norm.
    """
    if isinstance(norm, Norm):
        return norm
    for known in _NORMS:
        if norm in (known.name, known.order):
            return known
    names = ", ".join(known.name for known in _NORMS)
    raise InputError(f"there is no norm {norm!r}: choose one of {names}")
