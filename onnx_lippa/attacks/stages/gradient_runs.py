"""Runs of a gradient attack in balls of a fixed radius: what it descends on, and how it steps.

:class:`GradientRuns` describes the runs of an attack. :class:`GradientRound` makes one round of
them; where the distance is minimised, ``bisection.py`` makes rounds in balls of several radii.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.losses import make_loss
from onnx_lippa.attacks.stages.oracle import Evaluation, MarginOracle
from onnx_lippa.attacks.stages.pgd import Balls, Iterate, StepRule
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    Stream,
    batch_size,
)
from onnx_lippa.state import Work, timed

_ROWS: Final = 384
"""Rows run together: few enough to stay in the processor's cache."""
_UNTARGETED: Final = -1
_DEEPER: Final = 1.1
"""Margin of a point that is offered after a refused one, as a multiple of that one's."""


class Targets(Enum):
    """What the runs on an input aim at, by the words of the options.

    ALL is one run for each disjunct (class), NEAREST one run for the disjunct of least margin,
    UNTARGETED one run on all of them.
    """

    ALL = "all"
    UNTARGETED = "untargeted"
    NEAREST = "nearest"


class Steps(ABC):
    """The steps of the rows of a batch, with what they remember from one step to the next.

    Args:
        balls: the allowed inputs.
        steps: number of steps in all.
    """

    def __init__(self, balls: Balls, steps: int) -> None:
        self.balls, self.steps = balls, steps

    @abstractmethod
    def move(self, x: Floats, evaluation: Evaluation, step: int) -> Floats:
        """The next points (n, d) after points (n, d) that were evaluated."""

    @abstractmethod
    def take(self, kept: Integers) -> None:
        """Keeps some of the rows only."""

    def is_inside(self, step: int) -> bool:
        """Whether the points before this step lie in the balls, and not in larger ones."""
        del step
        return True


class Stepping(ABC):
    """How runs step, as a value."""

    @abstractmethod
    def begin(self, balls: Balls, steps: int) -> Steps:
        """The steps of a batch of runs."""


@final
@dataclass(frozen=True)
class RuleStepping(Stepping):
    """Steps by a rule, along the gradient or an accumulated one.

    Attributes:
        rule: the rule.
        decay: MI-FGSM's decay factor of the accumulated gradient, to which each gradient of ℓ1
            length 1 is added; 0 for the gradient alone.
    """

    rule: StepRule
    decay: float = 0.0

    @override
    def begin(self, balls: Balls, steps: int) -> Steps:
        return _RuleSteps(balls, steps, self.rule, self.decay)


@final
class _RuleSteps(Steps):
    def __init__(self, balls: Balls, steps: int, rule: StepRule, decay: float) -> None:
        super().__init__(balls, steps)
        self._rule, self._decay = rule, decay
        self._accumulated = np.zeros_like(balls.center)
        self._previous: Floats = balls.center

    @override
    def move(self, x: Floats, evaluation: Evaluation, step: int) -> Floats:
        gradient = evaluation.gradient
        if self._decay:
            length = np.abs(gradient).sum(axis=1, keepdims=True)
            decay = np.asarray(self._decay, dtype=gradient.dtype)
            gradient = gradient / np.where(length > 0, length, 1)
            gradient = self._accumulated = decay * self._accumulated + gradient
        previous = x if step == 0 else self._previous
        iterate = Iterate(x, previous, gradient.copy(), self.balls, step, self.steps)
        self._previous = x
        return self._rule.move(iterate)

    @override
    def take(self, kept: Integers) -> None:
        self.balls = self.balls.take(kept)
        self._accumulated, self._previous = self._accumulated[kept], self._previous[kept]


@dataclass(frozen=True)
class GradientRuns:
    """The runs of an attack on an input.

    Attributes:
        loss: name of the loss.
        targets: what the runs aim at.
        steps: gradient steps of a run.
        stepping: how they step.
        random_start: whether the first round starts from random points of the ball; later ones
            always do.
    """

    loss: str
    targets: Targets
    steps: int
    stepping: Stepping
    random_start: bool = False

    def run(self, attacks: Sequence[AttackState], round_: int, radii: Float64) -> None:
        """One round of runs on each input in a ball of its own radius.

        The runs on an input end at a witness. Those on many disjuncts are made in parts.

        Args:
            attacks: the attacks, on different inputs.
            round_: number of the round, from 0; random numbers depend on it.
            radii: (attacks,) the radius of each.
        """
        most = batch_size(attacks[0].model.network, _ROWS)
        chunk: list[_Run] = []
        for attack, radius in zip(attacks, radii, strict=True):
            runs = [_Run(attack, target, float(radius)) for target in self._aims(attack)]
            # An input's runs stay together: which one breaks it must not depend on other inputs.
            if chunk and len(chunk) + len(runs) > most:
                self._run(chunk, round_)
                chunk = []
            if len(runs) <= most:
                chunk += runs
                continue
            for first in range(0, len(runs), most):
                if not self._run(runs[first : first + most], round_):
                    break
        if chunk:
            self._run(chunk, round_)

    def _aims(self, attack: AttackState) -> list[int]:
        """The target of each run on an input."""
        if self.targets is Targets.UNTARGETED:
            return [_UNTARGETED]
        return attack.nearest_disjuncts(len(attack.disjuncts) if self.targets is Targets.ALL else 1)

    def _run(self, runs: Sequence[_Run], round_: int) -> bool:
        """Makes some runs; whether work on their last input may go on."""
        attacks = [run.attack for run in runs]
        dtype = attacks[0].inputs.dtype
        with timed([attack.state for attack in attacks], Work.GRADIENTS):
            radii = np.array([run.radius for run in runs])
            balls = Balls.of([attack.inputs for attack in attacks], dtype, radii)
            is_random = self.random_start or round_ > 0
            x = np.array([run.start(round_, is_random) for run in runs], dtype=dtype)
            steps = self.stepping.begin(balls, self.steps)
        targets = np.array([run.target for run in runs], dtype=np.int64)
        oracle, refused = MarginOracle(attacks), np.full(len(attacks), np.inf)
        for step in range(self.steps + 1):
            if step == self.steps:
                least = oracle.margins(x).min(axis=1)
            else:
                targeted = None if self.targets is Targets.UNTARGETED else targets
                evaluation = oracle.evaluate(x, make_loss(self.loss, targeted))
                least = evaluation.least
            done = _offer(oracle, x, least, refused) if steps.is_inside(step) else set()
            kept = np.array(
                [
                    row
                    for row, attack in enumerate(oracle.attacks)
                    if id(attack) not in done and attack.state.is_open
                ],
                dtype=np.int64,
            )
            if not kept.size:
                return False
            if step == self.steps:
                break
            if len(kept) < len(x):
                x, targets, oracle = x[kept], targets[kept], oracle.take(kept)
                refused = refused[kept]
                evaluation = evaluation.take(kept)
                steps.take(kept)
            with timed(oracle.states, Work.GRADIENTS):
                x = steps.move(x, evaluation, step)
        return True


@dataclass(frozen=True)
class _Run:
    attack: AttackState
    target: int
    radius: float

    def start(self, round_: int, is_random: bool) -> Float64:
        """The first point (d,), inside ball and domain."""
        inputs = self.attack.inputs
        if not is_random:
            return inputs.center
        numbers = (round_, self.target - _UNTARGETED)
        generator = self.attack.generator(Stream.GRADIENT_STARTS, *numbers)
        return inputs.with_eps(self.radius).sample(generator, 1)[0]


def _offer(oracle: MarginOracle, x: Floats, least: Float64, refused: Float64) -> set[int]:
    """Offers points of least margin at most 0; the attacks, by their ids, that have a witness.

    A row whose point was refused, by rounding or for a grid, is offered again at a deeper one;
    ``refused`` (n,) holds the margins, and is updated.
    """
    for attack, margin in zip(oracle.attacks, least.tolist(), strict=True):
        attack.state.observe(margin)
    offered = np.where(least < _DEEPER * refused, least, np.inf)
    accepted = oracle.offer(x, offered)
    unsafe = offered <= 0
    refused[unsafe] = least[unsafe]
    return {id(oracle.attacks[row]) for row in accepted}


@final
@dataclass(frozen=True)
class GradientRound(AttackStage):
    """One round of runs on each input within its radius.

    Attributes:
        runs: the runs.
        round: number of the round.
        max_relative_margin: inputs whose :attr:`AttackState.relative_margin` is not below this
            are left out.
    """

    runs: GradientRuns
    round: int
    max_relative_margin: float = np.inf

    @override
    def run(self, batch: AttackBatch) -> None:
        attacks = batch.unbroken(self.max_relative_margin)
        if attacks:
            radii = np.array([attack.inputs.eps for attack in attacks])
            self.runs.run(attacks, self.round, radii)
