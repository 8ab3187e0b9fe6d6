"""The attack of Carlini and Wagner: distance and margin in one loss, minimised by Adam."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final, Self, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.stages.adam import Adam
from onnx_lippa.attacks.stages.nearest import NearestRows, split_open
from onnx_lippa.attacks.stages.oracle import LeastMargin
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.state import timed

_ROWS: Final = 128
"""Inputs worked on together."""
_INSIDE: Final = 0.999999
"""How far a point on a bound is from the middle of the domain, so that its variable is finite."""
_CHECKS: Final = 10
"""How often in a search it is given up on rows whose loss does not fall."""
_FALLS: Final = 0.9999
_TENFOLD: Final = 10.0
_DOUBLE: Final = 2.0
"""Growth of the constant in ℓ2 and in ℓ∞, as in the authors' code."""


@final
@dataclass(frozen=True)
class CarliniWagner(AttackMethod):
    """The attack of Carlini and Wagner (S&P 2017) in ℓ2 and ℓ∞; it has no ℓ1 form.

    A search minimises ``penalty + c * max(margin + confidence, 0)`` by Adam over variables w with
    ``x = tanh(w)`` stretched to the domain. In ℓ2 the penalty is the squared distance, and the
    constant c is bisected over several searches, each from the clean input. In ℓ∞ it is
    ``sum_i max(|x_i - clean_i| - tau, 0)``; a search ends with its first success, tau falls below
    what it reached, and the next one starts there; c grows with each failure up to its largest
    value. Features without bounds on both sides are their own variables.

    Attributes:
        searches: searches for the constant in ℓ2.
        gradient_steps: steps of a search.
        learning_rate: rate of Adam; None is 0.01 in ℓ2 and 0.005 in ℓ∞.
        confidence: the margin that a point must fall below 0 by.
        initial_constant: the first constant; None is 1e-3 in ℓ2 and 1e-5 in ℓ∞.
        largest_constant: the constant with which searches in ℓ∞ end.
        decrease: the next tau in ℓ∞, as a share of the last one or of the distance reached.
        abort_early: whether a search ends for inputs whose loss falls no more.
    """

    searches: int = 9
    gradient_steps: int = 1000
    learning_rate: float | None = None
    confidence: float = 0.0
    initial_constant: float | None = None
    largest_constant: float = 20.0
    decrease: float = 0.9
    abort_early: bool = True

    name: ClassVar[str] = "cw"

    def __post_init__(self) -> None:
        require_least("searches", self.searches, 1)
        require_least("gradient_steps", self.gradient_steps, 1)
        for name, value in (
            ("learning_rate", self.learning_rate),
            ("initial_constant", self.initial_constant),
            ("largest_constant", self.largest_constant),
        ):
            if value is not None and not 0.0 < value < np.inf:
                raise InputError(f"{name} is {value}: give a positive number")
        if not 0.0 <= self.confidence < np.inf:
            raise InputError(f"confidence is {self.confidence}: give a number of at least 0")
        if not 0.0 < self.decrease < 1.0:
            raise InputError(f"decrease is {self.decrease}: give a number between 0 and 1")

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        if norm.name not in ("l2", "linf"):
            raise InputError(
                f"the method cw has no form for the norm {norm.name}: choose l2 or linf, or "
                "another method such as fab"
            )

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return (_InL2(self),) if problem.inputs.norm.name == "l2" else (_InLInf(self),)


class _Penalty(ABC):
    """What stands beside the margin in the loss."""

    @abstractmethod
    def evaluate(self, shift: Floats) -> tuple[Float64, Floats]:
        """Values (n,) and gradients (n, d) at scaled displacements (n, d)."""

    @abstractmethod
    def take(self, kept: Integers) -> Self:
        """That of some of the rows."""

    @abstractmethod
    def is_met(self, length: Float64) -> np.ndarray:
        """The rows (n,) whose search ends with an adversarial point of such a length."""


@final
@dataclass(frozen=True)
class _Square(_Penalty):
    """The squared ℓ2 distance; nothing ends a search."""

    @override
    def evaluate(self, shift: Floats) -> tuple[Float64, Floats]:
        return (shift * shift).sum(axis=1).astype(np.float64), 2 * shift

    @override
    def take(self, kept: Integers) -> Self:
        return self

    @override
    def is_met(self, length: Float64) -> np.ndarray:
        return np.zeros(len(length), bool)


@final
@dataclass(frozen=True)
class _Excess(_Penalty):
    """The sum of what goes beyond tau in each feature.

    Attributes:
        tau: (n,) the distance of each row.
    """

    tau: Float64

    @override
    def evaluate(self, shift: Floats) -> tuple[Float64, Floats]:
        over = np.abs(shift) - self.tau[:, None].astype(shift.dtype)
        values = np.maximum(over, 0).sum(axis=1).astype(np.float64)
        return values, np.sign(shift) * (over > 0)

    @override
    def take(self, kept: Integers) -> Self:
        return type(self)(self.tau[kept])

    @override
    def is_met(self, length: Float64) -> np.ndarray:
        return np.asarray(length <= self.tau)


@final
@dataclass(frozen=True)
class _Variables:
    """Points as images of variables that know no bounds.

    Attributes:
        middle: (n, d) middles of the domains; 0 for features that are their own variables.
        half: (n, d) half widths; 1 for these.
        bounded: (n, d) which features are between two bounds.
    """

    middle: Floats
    half: Floats
    bounded: np.ndarray

    @classmethod
    def of(cls, rows: NearestRows) -> _Variables:
        """The variables of some rows."""
        lower, upper = rows.lower, rows.upper
        bounded = np.isfinite(lower) & np.isfinite(upper)
        low, high = np.where(bounded, lower, -1), np.where(bounded, upper, 1)
        return cls((low / 2 + high / 2), (high / 2 - low / 2), bounded)

    def take(self, kept: Integers) -> _Variables:
        """Those of some of the rows."""
        return _Variables(self.middle[kept], self.half[kept], self.bounded[kept])

    def invert(self, x: Floats) -> Floats:
        """The variables (n, d) of points (n, d)."""
        share = (x - self.middle) / np.where(self.half > 0, self.half, 1)
        inner = np.arctanh(_INSIDE * np.clip(share, -1, 1))
        return np.where(self.bounded, inner, x).astype(x.dtype)

    def evaluate(self, w: Floats) -> tuple[Floats, Floats]:
        """Points (n, d), and their derivatives (n, d) by their variables."""
        inner = np.tanh(w)
        x, slope = self.middle + self.half * inner, self.half * (1 - inner * inner)
        if self.bounded.all():
            return x, slope
        return np.where(self.bounded, x, w), np.where(self.bounded, slope, 1)


@dataclass(frozen=True)
class _Search(AttackStage):
    """Searches from each clean input.

    Attributes:
        method: the options.
    """

    method: CarliniWagner

    default_rate: ClassVar[float]
    default_constant: ClassVar[float]

    @override
    def run(self, batch: AttackBatch) -> None:
        for attacks in split_open(batch, 1, _ROWS):
            self.search(attacks)

    @abstractmethod
    def search(self, attacks: list[AttackState]) -> None:
        """Searches on behalf of some attacks."""

    def begin(self, count: int) -> Float64:
        """The first constants (count,)."""
        return np.full(count, self.method.initial_constant or self.default_constant)

    def descend(
        self, rows: NearestRows, start: Floats, constant: Float64, penalty: _Penalty
    ) -> tuple[np.ndarray, Floats]:
        """One search of each row.

        Args:
            rows: the rows.
            start: (n, d) points from which they start.
            constant: (n,) the constants c.
            penalty: what stands beside the margin.

        Returns:
            (n,) whether an adversarial point was met, in ℓ∞ one within tau, and (n, d) the last
            such point, or the start.
        """
        method, live = self.method, np.arange(len(rows))
        success, reached = np.zeros(len(rows), bool), start.copy()
        with timed(rows.states):
            variables = _Variables.of(rows)
            scale = rows.norm.unit_radii(start.shape[1]).astype(start.dtype)
            inverse = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)
            w = variables.invert(start)
            adam = Adam(w, method.learning_rate or self.default_rate)
            x, slope = variables.evaluate(w)
            x = rows.clip(x)
        every = max(1, method.gradient_steps // _CHECKS)
        before = np.full(len(rows), np.inf)
        for step in range(method.gradient_steps + 1):
            found = rows.oracle.evaluate(x, LeastMargin())
            rows.record(x, found.least, method.confidence)
            with timed(rows.states):
                shift = (x - rows.center) * inverse
                value, pull = penalty.evaluate(shift)
                hinge = np.maximum(found.losses + method.confidence, 0.0)
                push = (constant[live] * (hinge > 0))[:, None].astype(x.dtype) * found.gradient
                w = w + adam.move(rows.along(pull * inverse + push) * slope)
                wins, met = found.losses <= -method.confidence, np.zeros(len(live), bool)
                if wins.any():
                    met = wins & penalty.is_met(rows.lengths(x - rows.center))
                    counted = met if isinstance(penalty, _Excess) else wins
                    success[live[counted]] = True
                    reached[live[counted]] = x[counted]
                going = ~met
                if method.abort_early and (step + 1) % every == 0:
                    loss = value + constant[live] * hinge
                    going &= loss <= _FALLS * before
                    before = loss
                kept = np.intersect1d(rows.open(), np.flatnonzero(going))
                if not kept.size:
                    break
                if len(kept) < len(rows):
                    rows, penalty = rows.take(kept), penalty.take(kept)
                    live, w, before = live[kept], w[kept], before[kept]
                    variables = variables.take(kept)
                    adam.keep(kept)
                x, slope = variables.evaluate(w)
                x = rows.clip(x)
        return success, reached


@final
@dataclass(frozen=True)
class _InL2(_Search):
    """Bisection of the constant, the squared distance as the penalty."""

    default_rate: ClassVar[float] = 0.01
    default_constant: ClassVar[float] = 1e-3

    @override
    def search(self, attacks: list[AttackState]) -> None:
        rows, constant = NearestRows(attacks), self.begin(len(attacks))
        low, high = np.zeros(len(attacks)), np.full(len(attacks), np.inf)
        for _ in range(self.method.searches):
            success, _ = self.descend(rows, rows.center, constant, _Square())
            high = np.where(success, np.minimum(high, constant), high)
            low = np.where(success, low, np.maximum(low, constant))
            constant = np.where(np.isfinite(high), (low + high) / 2, _TENFOLD * constant)
            kept = rows.open()
            if not kept.size:
                return
            if len(kept) < len(rows):
                rows, constant, low, high = (
                    rows.take(kept), constant[kept], low[kept], high[kept]
                )  # fmt: skip


@final
@dataclass(frozen=True)
class _InLInf(_Search):
    """A falling tau, from where the last search ended."""

    default_rate: ClassVar[float] = 0.005
    default_constant: ClassVar[float] = 1e-5

    @override
    def search(self, attacks: list[AttackState]) -> None:
        rows, constant = NearestRows(attacks), self.begin(len(attacks))
        x, tau = rows.center, np.array([min(a.inputs.eps, a.inputs.widest) for a in attacks])
        while True:
            success, x = self.descend(rows, x, constant, _Excess(tau))
            length = rows.lengths(x - rows.center)
            tau = np.where(success, self.method.decrease * np.minimum(tau, length), tau)
            constant = np.where(success, constant, _DOUBLE * constant)
            kept = np.intersect1d(
                rows.open(), np.flatnonzero((constant <= self.method.largest_constant) & (tau > 0))
            )
            if not kept.size:
                return
            if len(kept) < len(rows):
                rows, constant, x, tau = rows.take(kept), constant[kept], x[kept], tau[kept]
