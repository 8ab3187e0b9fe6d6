"""Certification: the proof methods by name, and the loop that runs one of them on inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs.branch_and_bound import BranchAndBound
from onnx_lippa.proofs.methods import Intervals, LinearBounds, Mip, ProofMethod
from onnx_lippa.spec import Problem
from onnx_lippa.state import InputState, begin_states, timed
from onnx_lippa.witness import Result

PROOF_METHODS: Final[Mapping[str, ProofMethod]] = MappingProxyType(
    {
        "auto": BranchAndBound(),
        "interval": Intervals(),
        "linear": LinearBounds(),
        "mip": Mip(),
        "complete": BranchAndBound(),
    }
)
"""The default method of each name. ``auto`` and ``complete`` are one."""


@dataclass(frozen=True)
class CertifySettings:
    """A proof method, and the time that it may take.

    Attributes:
        method: the method.
        time_limit: seconds for one input; an input that runs out of them stays unknown.
    """

    method: ProofMethod = BranchAndBound()  # noqa: RUF009  # frozen
    time_limit: float = 60.0

    def __post_init__(self) -> None:
        if not self.time_limit > 0:
            raise InputError(f"the time limit is {self.time_limit}: give a positive number")


def proof_method_named(name: str, solver: str = "scip") -> ProofMethod:
    """The default method of a name; ``solver`` is that of ``"mip"``.

    Raises:
        InputError: there is no such method.
    """
    if name not in PROOF_METHODS:
        raise InputError(f"there is no method '{name}': choose one of {', '.join(PROOF_METHODS)}")
    return Mip(solver) if name == Mip.name else PROOF_METHODS[name]


def certify_batch(
    model: Model, problems: Sequence[Problem], settings: CertifySettings
) -> Iterator[Result]:
    """Proves inputs robust, or finds that they are not, and yields the result of each.

    The result of an input does not depend on the others in the batch, but for time limits.

    Args:
        model: the model.
        problems: the inputs.
        settings: the method and its time.
    """
    if not problems:
        return
    method = settings.method
    states = begin_states(model, problems, settings.time_limit)
    for state in states:
        _check_provable(state)
    if method.is_batched:
        _run(method, [state for state in states if state.is_open])
    for state in states:
        if not method.is_batched and state.is_open:
            _run(method, [state])
        yield state.result()


def _check_provable(state: InputState) -> None:
    """Ends an undecided input that no method can prove anything about."""
    problem = state.problem
    if state.is_decided:
        return
    if problem.claim is None and not np.isfinite(problem.inputs.eps):
        state.reason, state.is_exhausted = "without a radius there is nothing to prove", True
    elif not all(one.exact for one in problem.unsafe.disjuncts):
        state.reason = "a coefficient of the property has more digits than float64 holds"
        state.is_exhausted = True


def _run(method: ProofMethod, states: Sequence[InputState]) -> None:
    """Runs a method on some inputs; out of memory, they stay open."""
    if not states:
        return
    with timed(states):
        try:
            method.run(states)
        except MemoryError:
            for state in states:
                state.reason = Ending.OUT_OF_MEMORY.sentence
