"""Square: random search without gradients (Andriushchenko, Croce, Flammarion, Hein 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.stages.square import SquareSearch
from onnx_lippa.attacks.stages.square_updates import PROPOSALS
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Norm, Problem


@final
@dataclass(frozen=True)
class Square(AttackMethod):
    """Square: a random search that needs no gradients, in ℓ∞ and ℓ2.

    Squares of an image are changed at random, and a change is kept where the least margin falls
    (Algorithms 1 to 3 of the paper, its margin loss and its schedule). Inputs that are no images
    have blocks of neighbouring features in place of squares. A change that would leave all as it is
    takes the other colours. Where the distance is minimised, searches bisect the radius.

    Attributes:
        queries: evaluations of the outputs in one search, its first point among them.
        p_init: share of the features that the first steps change.
        restarts: searches after the first one, for inputs that it did not break.
        radii: searches in turn where the distance is minimised, each at its own radius.
    """

    queries: int = 5000
    p_init: float = 0.8
    restarts: int = 0
    radii: int = 8

    name: ClassVar[str] = "square"

    def __post_init__(self) -> None:
        require_least("queries", self.queries, 1)
        require_least("restarts", self.restarts, 0)
        require_least("radii", self.radii, 1)
        if not 0 < self.p_init <= 1:
            raise InputError(f"p_init is {self.p_init}: give a share above 0 and at most 1")

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return tuple(
            SquareSearch(restart, self.queries, self.p_init, self.radii)
            for restart in range(self.restarts + 1)
        )

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        return replace(self, restarts=min(self.restarts, restarts))

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        if norm.name not in PROPOSALS:
            raise InputError(
                f"the method square has no updates for the norm {norm.name}: choose one of "
                f"{', '.join(PROPOSALS)}, or another method"
            )
