"""Witnesses, their check through ONNX Runtime, verdicts, and the result of one input.

A witness is the only evidence that an input is adversarial. No attack grades itself: it hands
candidates to :func:`check_candidate`, which does not know how they were found and uses the model
file alone, never the imported network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import Enum
from operator import add
from typing import Any, TypeAlias

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.ending import Reason
from onnx_lippa.onnx_io import Runtime
from onnx_lippa.spec import ExactClaim, InputSet, UnsafeSet

Offer: TypeAlias = Callable[[Float64], bool]
"""Checks a candidate (all features,) of a search; True where it is a witness."""


class Verdict(Enum):
    """The four verdicts. Only a replay gives ADVERSARIAL, only a proof ROBUST."""

    MISCLASSIFIED = "misclassified"
    ADVERSARIAL = "adversarial"
    ROBUST = "robust"
    UNKNOWN = "unknown"


class FoundBy(Enum):
    """What found the witness: a stage of an attack, or a complete method on the way to a proof."""

    NOTHING = "nothing"
    CLEAN = "clean"
    GRADIENT = "gradient"
    SAMPLING = "sampling"
    LP = "lp"
    GRID = "grid"
    MIP = "mip"
    SEARCH = "search"


class ProvedBy(Enum):
    """The method that proved an input robust; NOTHING with all other verdicts."""

    NOTHING = "nothing"
    INTERVAL = "interval"
    LINEAR = "linear"
    MIP = "mip"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Witness:
    """A stored input that was replayed and found unsafe.

    Attributes:
        x: (d,) in the type of the model.
        outputs: (k,) the outputs of ONNX Runtime for it alone.
        distance: its distance to the clean input, in float64.
    """

    x: Floats
    outputs: Floats
    distance: float

    @property
    def prediction(self) -> int:
        """The class with the largest output; the first one in a tie."""
        return int(np.argmax(self.outputs))


@dataclass(frozen=True)
class Effort:
    """Work done, each kind counted by its own name; efforts add up.

    Attributes:
        gradients: evaluations of the gradient at one point.
        queries: evaluations of the outputs alone at one point, in attacks that are measured by
            them; random samples and grids are not counted.
        lp_steps: LPSteps of attacks: programs of one linear region.
        lps: linear programs of proofs.
        mips: mixed-integer programs.
        nodes: subproblems bounded by a search or a MIP solver on the way to a proof.
        seconds: wall time, with the share of work done for several inputs together.
        gradient_seconds: the part of it in PGD runs.
        lp_seconds: the part in LPSteps and linear programs.
        mip_seconds: the part in mixed-integer programs.
    """

    gradients: int = 0
    queries: int = 0
    lp_steps: int = 0
    lps: int = 0
    mips: int = 0
    nodes: int = 0
    seconds: float = 0.0
    gradient_seconds: float = 0.0
    lp_seconds: float = 0.0
    mip_seconds: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(*map(add, vars(self).values(), vars(other).values()))


def total_effort(efforts: Iterable[Effort]) -> Effort:
    """The sum of efforts, whatever their order: seconds are added without rounding."""
    columns = zip(*(vars(effort).values() for effort in (Effort(), *efforts)), strict=True)
    sums: list[Any] = [
        sum(column) if isinstance(field.default, int) else math.fsum(column)
        for field, column in zip(fields(Effort), columns, strict=True)
    ]
    return Effort(*sums)


@dataclass(frozen=True, repr=False)
class Result:
    """What is known of one input.

    Attributes:
        index: its place in the data.
        verdict: the verdict.
        witness: the evidence where the verdict is ADVERSARIAL.
        target: the class of the witness, -1 without one.
        found_by: what found it.
        best_margin: the least margin of any point evaluated (float32 logits).
        bound: proven lower bound of the margin over all allowed inputs and all disjuncts, in real
            arithmetic on the network's weights; -inf where nothing is proven.
        proved_by: the method of the proof where the verdict is ROBUST.
        effort: the work spent on this input.
        reason: why an input is UNKNOWN where that is more than an exhausted attack: a limit that
            was reached, a numerical failure, a layer without a relaxation. ``reason.ending`` is
            its kind, ``str(reason)`` a sentence.
        distance_bound: lower bound of the distance of every adversarial input; infinite where the
            domain holds none, 0 where none was computed.
        distance_proved_by: the method that proved it: COMPLETE, or MIP on the word of its solver.
        broken_by: the attack of a portfolio whose witness it is; empty without a portfolio.
    """

    index: int
    verdict: Verdict
    witness: Witness | None = None
    target: int = -1
    found_by: FoundBy = FoundBy.NOTHING
    best_margin: float = float("inf")
    bound: float = float("-inf")
    proved_by: ProvedBy = ProvedBy.NOTHING
    effort: Effort = Effort()
    reason: Reason | None = None
    distance_bound: float = 0.0
    distance_proved_by: ProvedBy = ProvedBy.NOTHING
    broken_by: str = ""

    def __repr__(self) -> str:
        said = [f"input {self.index} is {self.verdict.value}"]
        if self.witness is not None:
            by = f" ({self.broken_by})" if self.broken_by else ""
            said.append(f"distance {self.witness.distance:.6g}, found by {self.found_by.value}{by}")
        if self.proved_by is not ProvedBy.NOTHING:
            said.append(f"margin of at least {self.bound:.3g}, proved by {self.proved_by.value}")
        if self.reason is not None:
            said.append(self.reason.sentence)
        return f"Result({'; '.join(said)}; {self.effort.seconds:.3g} s)"


def check_candidate(
    runtime: Runtime,
    candidate: Floats,
    inputs: InputSet,
    unsafe: UnsafeSet,
    claim: ExactClaim | None = None,
) -> Witness | None:
    """The witness that a candidate (d,) rounds to, or None where it is none.

    The candidate is rounded inward to the type of the model, must lie in the input set exactly
    (float64, no tolerance), and must be unsafe both alone and beside the clean input in a batch.

    Args:
        runtime: the model itself in ONNX Runtime.
        candidate: (d,) the candidate.
        inputs: the allowed inputs.
        unsafe: the unsafe outputs.
        claim: the property, whose exact formula decides in place of the unsafe set, whose numbers
            are rounded; None for a classifier.
    """
    x = inputs.to_model_type(candidate.astype(np.float64).ravel())
    return check_stored(runtime, x, inputs, unsafe, claim)


def check_stored(
    runtime: Runtime,
    x: Floats,
    inputs: InputSet,
    unsafe: UnsafeSet,
    claim: ExactClaim | None = None,
) -> Witness | None:
    """The witness that a stored input (d,) is, unchanged, or None; see :func:`check_candidate`."""
    if not inputs.contains(x):
        return None
    alone = runtime.forward_alone(x[None])[0]
    if not _is_unsafe(x, alone, unsafe, claim):
        return None
    clean = inputs.center.astype(inputs.dtype)
    beside = runtime.forward(np.stack([clean, x]))[1]
    if not _is_unsafe(x, beside, unsafe, claim):
        return None
    return Witness(x, alone, inputs.distance(x))


def _is_unsafe(x: Floats, outputs: Floats, unsafe: UnsafeSet, claim: ExactClaim | None) -> bool:
    return unsafe.contains(outputs) if claim is None else claim.holds(x, outputs)
