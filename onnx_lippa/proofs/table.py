"""The proof methods by name: the one list that a new one is added to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.proofs.branch_and_bound import BranchAndBound
from onnx_lippa.proofs.methods import Intervals, LinearBounds, Mip, ProofMethod

_BY_NAME: Final[dict[str, ProofMethod]] = {
    method.name: method for method in (Intervals(), LinearBounds(), Mip(), BranchAndBound())
}
PROOF_METHODS: Final[Mapping[str, ProofMethod]] = MappingProxyType(
    {"auto": BranchAndBound()} | _BY_NAME
)
"""The default method of each name. ``auto`` is another name of ``complete``."""


def make_proof(
    method: str | ProofMethod, solver: str = Mip.solver, naive: bool = False
) -> ProofMethod:
    """A method as it is, or the one of a name; ``solver`` and ``naive`` are those of ``"mip"``.

    Raises:
        InputError: there is no such method, or it has no such option.
    """
    if isinstance(method, str) and method not in PROOF_METHODS:
        names = ", ".join(PROOF_METHODS)
        raise InputError(f"there is no method '{method}': choose one of {names}")
    if method == Mip.name:
        return Mip(solver, naive)
    if naive:
        raise InputError("naive is an option of the method 'mip': leave it out")
    if solver != Mip.solver:
        raise InputError(f"solver {solver} is an option of the method 'mip': leave it out")
    return method if isinstance(method, ProofMethod) else PROOF_METHODS[method]
