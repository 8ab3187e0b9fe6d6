"""Attacks as the tables run them: until a time limit, by one driver and one witness check."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import Final

from onnx_lippa import InputError, Results, attack
from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks import ATTACK_METHODS, AttackMethod, Lippa
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import get_norm
from tools.bench.paper.setting import Setting

TIRELESS: Final = 10_000
"""Restarts of attacks that repeat until their time is used up."""
WORKERS: Final = 2


@dataclass(frozen=True)
class Attacked:
    """One attack on one network.

    Attributes:
        results: its results.
        seconds: wall time.
    """

    results: Results
    seconds: float

    @property
    def percent(self) -> float:
        """Lower bound of the robust error, in percent."""
        return 100 * self.results.robust_error[0]

    @property
    def gradients(self) -> int:
        """Gradients spent."""
        return sum(one.effort.gradients for one in self.results)

    @property
    def lp_steps(self) -> int:
        """LPSteps spent."""
        return sum(one.effort.lp_steps for one in self.results)


def chosen_attacks(setting: Setting) -> dict[str, AttackMethod]:
    """The attacks that are wanted, by their names."""
    return {
        name: method
        for name, method in ATTACK_METHODS.items()
        if setting.methods is None or name in setting.methods
    }


def make_tireless(method: AttackMethod) -> AttackMethod:
    """The attack with as many restarts as the time limit allows, where it has restarts.

    LiPPA keeps its own number: its linear programs come after its restarts.
    """
    repeats = any(one.name == "restarts" for one in fields(method))
    if not repeats or isinstance(method, Lippa) or method.name == "lippa+mip":
        return method
    return replace(method, restarts=TIRELESS)  # type: ignore[call-arg] # it has the field


def run_attack(
    model: Model,
    x: Floats,
    y: Integers,
    method: AttackMethod,
    eps: float | None,
    seconds: float,
    norm: str = "linf",
) -> Attacked:
    """An attack in about so many seconds of wall time; with an infinite number until it ends."""
    limit = seconds * WORKERS / len(x)
    started = time.perf_counter()
    results = attack(
        model, x, y, eps=eps, norm=get_norm(norm), method=method, time_limit=limit, workers=WORKERS
    )
    return Attacked(results, time.perf_counter() - started)


def can_minimize(method: AttackMethod, norm: str) -> bool:
    """Whether an attack minimises distances in a norm."""
    try:
        method.check(get_norm(norm), True)
    except InputError:
        return False
    return True
