"""Norms, one file each. A new norm is one line of :data:`_NORMS`."""

from __future__ import annotations

from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.embedding import Embedding
from onnx_lippa.spec.norms.l1 import L1
from onnx_lippa.spec.norms.l2 import L2
from onnx_lippa.spec.norms.linf import LInf
from onnx_lippa.spec.norms.weighted import WeightedNorm

__all__ = ["L1", "L2", "Embedding", "LInf", "Norm", "WeightedNorm", "get_norm"]

_NORMS: Final[tuple[Norm, ...]] = (LInf(), L1(), L2())


def get_norm(norm: str | float | Norm) -> Norm:
    """The norm named ``"linf"``, ``"l1"`` or ``"l2"``, or of order ``np.inf``, 1 or 2.

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
