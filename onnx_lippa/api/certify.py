"""``onnx_lippa.certify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt

from onnx_lippa.api.result import AttackResult, mip_solver, run_batch, specified
from onnx_lippa.arrays import AnyArray, Floats
from onnx_lippa.attacks import Settings
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import CertifySettings, proof_method_named
from onnx_lippa.spec import Norm


def certify(
    network: Model | str | Path,
    x: Floats,
    y: npt.ArrayLike | None = None,
    *,
    eps: npt.ArrayLike,
    norm: str | float | Norm = "linf",
    targets: str | Sequence[int] = "all",
    lower: npt.ArrayLike = 0.0,
    upper: npt.ArrayLike = 1.0,
    fixed: Sequence[int] | AnyArray | None = None,
    grid: npt.ArrayLike = 0.0,
    method: str = "auto",
    time_limit: float = 60.0,
    solver: str = "scip",
    workers: int = 1,
) -> AttackResult:
    """Proves one input or a batch robust, or finds that it is not.

    Args:
        network: a model from :func:`load`, or the path of one.
        x: inputs, as in :func:`attack`.
        y: labels, likewise.
        eps: radius of the ball, likewise.
        norm: norm of the ball, likewise.
        targets: the classes that count, likewise.
        lower: lower end of the domain, likewise.
        upper: its upper end, likewise.
        fixed: features that must not move, likewise.
        grid: step of features, likewise. A proof is for all values between the steps too.
        method: ``"auto"``, ``"interval"``, ``"linear"``, ``"mip"`` or ``"complete"``.
        time_limit: seconds for one input; then it stays unknown.
        solver: solver of ``"mip"``: ``"scip"``, ``"highs"`` or ``"gurobi"``.
        workers: processes; the result does not depend on it, but for time limits.

    Returns:
        Verdicts ``robust``, ``adversarial``, ``misclassified`` or ``unknown``; what each of them
        proves is in docs/verdicts.md.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
    """
    budgets = CertifySettings(proof_method_named(method, mip_solver(solver)), time_limit)
    model, specification = specified(
        network, norm, targets, eps, lower, upper, fixed, grid, Settings(), workers
    )
    return run_batch(model, specification, budgets, x, y)
