"""Attacks on one-hot groups: stages run with the categories fixed, one combination at a time.

Between categories there is no input, so gradients in the features of a group say little. With the
categories fixed the other features are an ordinary input set, and any stage works on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState
from onnx_lippa.spec import Categories
from onnx_lippa.state import InputState, timed
from onnx_lippa.witness import Effort, FoundBy

_TOGETHER: Final = 512
"""Combinations of several inputs whose stages run together."""
_FEW: Final = 64
"""Combinations up to which all are tried."""
_MOST_SWAPS: Final = 64
"""Most combinations from which swaps go on."""
_REMEMBERED: Final = 2
"""End points of a combination that the attack on the whole input takes over."""


@final
@dataclass(frozen=True)
class CategoryStages(AttackStage):
    """Runs stages on the inputs of each combination of categories that the ball allows.

    Where there are more combinations than are tried, they are found by swaps: from the best
    combination so far, the best change of one group, until none is better. An input whose
    combinations are few enough to be tried all is exhausted behind the last stages.

    Attributes:
        stages: the stages.
        most: the most combinations of each input, the most promising first.
        exhausts: whether nothing is left to try behind these stages.
    """

    stages: tuple[AttackStage, ...]
    most: int
    exhausts: bool = False

    @override
    def run(self, batch: AttackBatch) -> None:
        chunk: list[_Parts] = []
        for attack in batch.open():
            categories = Categories.of(attack.state.improving)
            if categories is None:
                continue
            with timed([attack.state]):
                chunk.append(_Parts.of(attack, categories, self.most))
            if sum(len(one.parts) for one in chunk) >= _TOGETHER:
                self._run(batch, chunk)
                chunk = []
        if chunk:
            self._run(batch, chunk)

    def _run(self, batch: AttackBatch, chunk: Sequence[_Parts]) -> None:
        for one in chunk:
            one.begin()
        for stage in self.stages:
            parts = [part for one in chunk if one.attack.state.is_open for part in one.parts]
            if not parts:
                break
            stage.run(AttackBatch(batch.model, parts))
            for one in chunk:
                one.report()
        for one in chunk:
            one.end()
            if self.exhausts and one.is_whole:
                one.attack.state.is_exhausted = True


@final
@dataclass(eq=False)
class _Parts:
    """The combinations of one input that stages work on.

    Attributes:
        attack: the attack on the input.
        parts: an attack for each combination.
        is_whole: whether these stages or others try all combinations that the ball allows.
    """

    attack: AttackState
    parts: list[AttackState]
    is_whole: bool

    @classmethod
    def of(cls, attack: AttackState, categories: Categories, most: int) -> _Parts:
        """The most promising combinations of an input."""
        known = attack.combinations
        if categories.count <= _FEW:
            choices = list(categories.combinations())
            order = [known[c].state.best_margin if c in known else -np.inf for c in choices]
        else:
            order, choices = _descend(attack, categories, most)
        ranked = [choices[place] for place in np.argsort(order, kind="stable")]
        parts: list[AttackState] = []
        for choice in ranked:
            part = _find_part(attack, categories, choice)
            if part is not None:
                parts.append(part)
            if len(parts) == most:
                break
        return cls(attack, parts, categories.count <= _FEW)

    def begin(self) -> None:
        """Shares the time that is left, and offers the clean input with each combination."""
        state = self.attack.state
        left = state.seconds_left / max(1, len(self.parts))
        for part in self.parts:
            part.state.effort, part.state.time_limit = Effort(), left
            if part.clean_margins.min(initial=np.inf) <= 0:
                part.state.offer(part.inputs.center, FoundBy.GRID)
        self.report()

    def report(self) -> None:
        """Offers the witnesses of the combinations as witnesses of the input."""
        state = self.attack.state
        for part in self.parts:
            if not state.is_open:
                return
            witness = part.state.witness
            if witness is not None and (
                state.witness is None or state.problem.inputs.distance(witness.x)
                < state.witness.distance
            ):  # fmt: skip
                state.offer(witness.x, part.state.found_by)

    def end(self) -> None:
        """Takes over the effort, the margins and the best end points."""
        for part in self.parts:
            self.attack.state.effort += part.state.effort
            self.attack.state.observe(part.state.best_margin)
            self.attack.remember(part.end_points[:_REMEMBERED])


def _find_part(
    attack: AttackState, categories: Categories, choice: tuple[int, ...]
) -> AttackState | None:
    """The attack on a combination, begun on first use; None where it is outside the ball."""
    inputs = categories.fix(choice)
    if inputs is None:
        return None
    known = attack.combinations.get(choice)
    if known is None:
        problem = attack.state.problem
        part = replace(problem, inputs=inputs, wrong=problem.unsafe)
        known = AttackState.begin(InputState(part, attack.model), attack.engine, attack.seed)
        attack.combinations[choice] = known
    return known


def _descend(
    attack: AttackState, categories: Categories, most: int
) -> tuple[list[float], list[tuple[int, ...]]]:
    """The least margins of the combinations seen on the way from the best one by swaps."""
    known = attack.combinations
    current = min(known, key=lambda choice: known[choice].state.best_margin, default=categories.own)
    points = np.array([*_find_points(attack, current)])
    margins = {current: _least_margin(attack, points, categories, [current])[0]}
    for _ in range(_MOST_SWAPS):
        swaps = [choice for choice in categories.swaps(current) if choice not in margins]
        swaps = [choice for choice in swaps if categories.restrict(choice) is not None]
        if swaps:
            found = _least_margin(attack, points, categories, swaps)
            margins.update(zip(swaps, found, strict=True))
        best = min(margins, key=lambda choice: margins[choice])
        if best == current:
            break
        current = best
    for choice, part in known.items():
        margins[choice] = min(margins.get(choice, np.inf), part.state.best_margin)
    margins[categories.own] = -np.inf  # always tried
    ranked = sorted(margins, key=lambda choice: margins[choice])[: most + 1]
    return [margins[choice] for choice in ranked], ranked


def _find_points(attack: AttackState, choice: tuple[int, ...]) -> Iterator[Float64]:
    """Points whose other features swaps are tried with: the clean input's, the best end points'."""
    yield attack.inputs.center
    known = attack.combinations.get(choice)
    for owner in (attack, known):
        if owner is not None and owner.end_points:
            yield owner.end_points[0].x


def _least_margin(
    attack: AttackState,
    points: Float64,
    categories: Categories,
    choices: Sequence[tuple[int, ...]],
) -> list[float]:
    """The least margin (choices,) over some points (n, d) with the categories of each choice."""
    x = np.concatenate([categories.hold(points, choice) for choice in choices])
    margins = attack.state.problem.unsafe.margins(attack.model.values.forward(x)).min(axis=1)
    least: list[float] = margins.reshape(len(choices), -1).min(axis=1).tolist()
    return least
