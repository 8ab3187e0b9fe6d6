"""``onnx_lippa.audit``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt

from onnx_lippa.api.result import AttackResult, method_named, run_batch, specified
from onnx_lippa.arrays import AnyArray, Floats
from onnx_lippa.attacks import Settings
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import CertifySettings
from onnx_lippa.runs.audit import AuditSettings
from onnx_lippa.spec import Norm


def audit(
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
    method: str = "lippa",
    budget: float = math.inf,
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int = 1,
) -> AttackResult:
    """Attacks and proves, cheapest first, so that the robust error is an interval or a number.

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
        grid: step of features, likewise.
        method: the attack, likewise; with ``"lippa"`` partial patterns come where searches stall.
        budget: seconds for everything.
        time_limit: seconds for the complete search of one input.
        seed: same seed, same result.
        workers: processes; the result does not depend on it, but for time limits.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
        ContradictionError: a witness and a proof for one input, which is a bug.
    """
    settings = Settings(method=method_named(method), seed=seed)
    budgets = AuditSettings(settings, CertifySettings(time_limit=time_limit), budget)
    model, specification = specified(
        network, norm, targets, eps, lower, upper, fixed, grid, settings, workers
    )
    return run_batch(model, specification, budgets, x, y)
