"""``onnx_lippa.falsify`` and ``onnx_lippa.verify``."""

from __future__ import annotations

import math
from pathlib import Path

from onnx_lippa.api.options import AttackName, EngineName, Network, ProofName, SolverName
from onnx_lippa.attacks import AttackMethod, Lippa, make_attack
from onnx_lippa.proofs import ProofMethod, make_proof
from onnx_lippa.runs.finding import Finding
from onnx_lippa.runs.verify import answer_property
from onnx_lippa.spec import Property
from onnx_lippa.state import Budget


def falsify(
    network: Network,
    asked: Property | str | Path,
    *,
    timeout: float = math.inf,
    method: AttackName | AttackMethod = "lippa",
    restarts: int | None = None,
    gradient_steps: int = 60,
    lp_steps: int | None = None,
    engine: EngineName = "auto",
    solver: SolverName | None = None,
    seed: int = 0,
) -> Finding:
    """Searches for an input that satisfies a property.

    Args:
        network: a model from :func:`load`, or the path of one.
        asked: a property, or the path of a VNN-LIB file.
        timeout: seconds for the search.
        method: ``"lippa"``, ``"lippa+mip"`` or ``"pgd"``.
        restarts: PGD restarts, as in :func:`attack`.
        gradient_steps: gradient steps per PGD run.
        lp_steps: LPSteps of Algorithm 1, as in :func:`attack`.
        engine: LP engine: ``"auto"``, ``"rows"`` or ``"stacked"``.
        solver: as in :func:`attack`.
        seed: same seed, same result (but for a timeout).

    Returns:
        ``sat`` with an input that replays in ONNX Runtime and meets the property exactly, or
        ``unknown`` or ``timeout``, which prove nothing.

    Raises:
        InputError: a property that cannot be read or does not fit the model.
        ModelError: a model that cannot be used (where a path is given).
    """
    attack = make_attack(
        method, restarts=restarts, gradient_steps=gradient_steps, lp_steps=lp_steps,
        engine=engine, solver=solver,
    )  # fmt: skip
    return answer_property(network, asked, attack, None, Budget(timeout, seed))


def verify(
    network: Network,
    asked: Property | str | Path,
    *,
    timeout: float = 60.0,
    time_limit: float = math.inf,
    method: ProofName | ProofMethod = "auto",
    seed: int = 0,
) -> Finding:
    """Searches for an input that satisfies a property, or proves that there is none.

    Args:
        network: a model from :func:`load`, or the path of one.
        asked: a property, or the path of a VNN-LIB file.
        timeout: seconds for everything.
        time_limit: seconds for the proof of one case of the property.
        method: how to prove, as in :func:`certify`.
        seed: same seed, same result (but for limits).

    Returns:
        ``sat`` with an input that replays, ``unsat`` with a positive ``bound`` of every case,
        ``unknown`` or ``timeout``.

    Raises:
        InputError: a property that cannot be read or does not fit the model.
        ModelError: a model that cannot be used (where a path is given).
        ContradictionError: a witness and a proof for one case, which is a bug.
    """
    return answer_property(
        network, asked, Lippa(), make_proof(method), Budget(timeout, seed), case_limit=time_limit
    )
