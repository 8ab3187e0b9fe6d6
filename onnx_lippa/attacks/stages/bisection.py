"""Minimal distortion by an attack in balls of a fixed radius: the radius is bisected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.attacks.stages.gradient_runs import GradientRuns
from onnx_lippa.attacks.stages.minimal import linear_distances
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState
from onnx_lippa.state import timed

_FIRST_RADIUS: Final = 1.5
"""The first radius, as a multiple of the clean linear map's distance to the unsafe set."""
_LEAST_RADIUS: Final = 1e-6
"""The least first radius, as a share of the domain's."""
_RADII: Final = 20
"""Most radii tried."""
_GAP: Final = 0.002
"""The radius between failure and success is no longer halved below this share of it."""
_TOGETHER: Final = 128
"""Inputs whose radii are bisected together."""


@final
@dataclass(frozen=True)
class RadiusBisection(AttackStage):
    """Doubles the radius until a run succeeds, then halves the gap to the best witness.

    Attributes:
        runs: the runs at each radius.
        rounds: rounds of runs at each radius, the later ones where the first ones failed.
    """

    runs: GradientRuns
    rounds: int

    @override
    def run(self, batch: AttackBatch) -> None:
        attacks = batch.open()
        for first in range(0, len(attacks), _TOGETHER):
            self._bisect(attacks[first : first + _TOGETHER])

    def _bisect(self, attacks: Sequence[AttackState]) -> None:
        searches = []
        for attack in attacks:
            with timed([attack.state]):
                searches.append(_Radius.begin(attack))
        for _ in range(_RADII):
            searches = [search for search in searches if search.is_open]
            failed = list(searches)
            for round_ in range(self.rounds):
                if failed:
                    tried = [search.attack for search in failed]
                    self.runs.run(tried, round_, np.array([search.radius for search in failed]))
                    failed = [
                        one for one in failed if not one.succeeded and one.attack.state.is_open
                    ]
            for search in searches:
                search.update()


@final
@dataclass
class _Radius:
    """The radius of an input, between one that failed and the distance of its witness.

    Attributes:
        attack: the attack.
        most: the largest radius.
        radius: the next radius.
        failed: the largest radius at which nothing was found.
        before: the distance of the witness before the runs at this radius.
        exhausted: whether nothing was found at the largest one.
    """

    attack: AttackState
    most: float
    radius: float
    failed: float = 0.0
    before: float = np.inf
    exhausted: bool = False

    @classmethod
    def begin(cls, attack: AttackState) -> _Radius:
        inputs = attack.inputs
        most = min(inputs.widest, inputs.eps)
        first = max(_FIRST_RADIUS * float(linear_distances(attack).min()), _LEAST_RADIUS * most)
        search = cls(attack, most, min(first, most))
        search.before = search.reached
        if np.isfinite(search.before):
            search.radius = min(search.radius, search.before / 2)
        return search

    @property
    def succeeded(self) -> bool:
        """Whether the runs at this radius found a witness; rounding may put it an ulp outside."""
        return self.reached < self.before

    @property
    def reached(self) -> float:
        """The distance of the witness, infinite without one."""
        witness = self.attack.state.witness
        return np.inf if witness is None else witness.distance

    @property
    def is_open(self) -> bool:
        """Whether another radius is worth a try."""
        if self.exhausted or not self.attack.state.is_open:
            return False
        return self.failed < (1.0 - _GAP) * self.reached

    def update(self) -> None:
        """Chooses the next radius after the runs at this one."""
        if not self.succeeded:
            self.failed = self.radius
            self.exhausted = self.failed >= self.most
        self.before = self.reached
        between = (self.failed + min(self.reached, self.most)) / 2
        self.radius = between if np.isfinite(self.reached) else min(2 * self.radius, self.most)
