"""Proofs over one-hot groups: one proof for each combination of categories that the ball allows.

Few combinations are taken one by one. Of more, linear bounds over partial combinations, whose other
groups are open, prove many at once: a branch and bound over categories.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, final

import numpy as np

from onnx_lippa.bounds.margins import bound_margins
from onnx_lippa.bounds.pre_activations import BoundsMethod
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import OUT_OF_TIME, Ending, Reason, StoppedError
from onnx_lippa.spec import Categories, InputSet
from onnx_lippa.spec.categories import Choice
from onnx_lippa.state import InputState
from onnx_lippa.witness import Effort, ProvedBy

_MOST: Final = 64
"""Combinations up to which each has a proof of its own; more are branched on."""
_TOGETHER: Final = 64
"""Partial combinations that are bounded together."""
_REFUSED: Final = Reason(Ending.REFUSED, "a category's witness lies outside the ball by rounding")

Prove: TypeAlias = Callable[[InputState], None]


def prove_by_category(state: InputState, prove: Prove, node_limit: float = math.inf) -> None:
    """Runs a proof on each combination of categories, and reports the least bound.

    Args:
        state: the state of the input.
        prove: a proof of one state, within its deadline.
        node_limit: the most partial combinations that are bounded, where there are many.
    """
    problem = state.problem
    categories = None if problem.claim is not None else Categories.of(problem.inputs)
    if categories is None:
        prove(state)
        return
    proof = _Proof(state, prove)
    if categories.count <= _MOST:
        for inputs in map(categories.restrict, categories.combinations()):
            if inputs is not None and proof.decide(proof.begin(inputs)):
                return
    else:
        try:
            found = proof.branch(categories, node_limit)
        except StoppedError:  # without linear bounds, mixtures of categories are covered as well
            prove(state)
            return
        if found:
            return
    proof.close()


@final
class _Proof:
    """The proof of one input by parts.

    Args:
        state: the state of the input.
        prove: the proof of a part.
    """

    def __init__(self, state: InputState, prove: Prove) -> None:
        self._state, self._prove = state, prove
        self._least: dict[ProvedBy, InputState] = {}
        """Of the parts that each method has proven, the one of the least bound."""
        self._reason: Reason | None = None
        self._is_open = False

    def begin(self, inputs: InputSet) -> InputState:
        """The state of a part, with the time of the whole."""
        state = self._state
        part = InputState(replace(state.problem, inputs=inputs), state.model, state.time_limit)
        part.deadline = state.deadline
        return part

    def decide(self, part: InputState) -> bool:
        """Runs the proof of a part; True where it ends in a witness."""
        self._prove(part)
        state = self._state
        state.effort += part.effort
        state.observe(part.best_margin)
        if part.witness is not None:
            if state.offer(part.witness.x, part.found_by):
                return True
            self._leave_open(_REFUSED)
        elif part.is_robust:
            self._keep(part)
        else:
            self._leave_open(part.reason)
        return False

    def close(self) -> None:
        """Reports the proof, if all parts are proven, or why they are not."""
        self._state.reason = self._reason
        if not self._is_open:
            self._state.prove_by_parts(list(self._least.values()))

    def branch(self, categories: Categories, node_limit: float) -> bool:
        """Branches on the groups, the most influential first; True where it ends in a witness.

        Partial combinations are bounded linearly, that of the least bound first; whole ones that
        stay open have the proof.

        Raises:
            StoppedError: there are no linear bounds.
        """
        state, order = self._state, _order_groups(self._state, categories)
        heap: list[tuple[float, int, Choice]] = [(-np.inf, 0, (None,) * len(categories.groups))]
        nodes = 1
        while heap:
            late = time.monotonic() > state.deadline
            if late or nodes > node_limit:
                self._leave_open(OUT_OF_TIME if late else Reason(Ending.OUT_OF_NODES))
                break
            taken = [heapq.heappop(heap)[2] for _ in range(min(_TOGETHER, len(heap)))]
            try:
                parts = self._bound(categories, taken)
            except OutOfTimeError:
                self._leave_open(OUT_OF_TIME)
                break
            for choice, part in parts:
                open_groups = [group for group in order if choice[group] is None]
                if part.is_robust:
                    self._keep(part)
                elif open_groups:
                    group = open_groups[0]
                    for feature in categories.choices[group]:
                        nodes += 1
                        child = (*choice[:group], feature, *choice[group + 1 :])
                        heapq.heappush(heap, (part.bound, nodes, child))
                elif self.decide(part):
                    return True
        return False

    def _bound(
        self, categories: Categories, choices: Sequence[Choice]
    ) -> Iterator[tuple[Choice, InputState]]:
        """The parts within the ball, with linear bounds.

        Raises:
            StoppedError: there are none.
        """
        pairs = [(choice, categories.restrict(choice)) for choice in choices]
        parts = [(choice, self.begin(inputs)) for choice, inputs in pairs if inputs is not None]
        if parts:
            state = self._state
            unsafe = [state.problem.unsafe] * len(parts)
            stated = [part.stated for _, part in parts]
            margins = bound_margins(
                state.model.network, stated, unsafe, BoundsMethod.LINEAR, deadline=state.deadline
            )
            for (_, part), proven in zip(parts, margins, strict=True):
                part.prove(proven, ProvedBy.LINEAR)
            state.effort += Effort(nodes=len(parts))
        return iter(parts)

    def _keep(self, part: InputState) -> None:
        known = self._least.get(part.proved_by)
        if known is None or part.bound < known.bound:
            self._least[part.proved_by] = part

    def _leave_open(self, reason: Reason | None) -> None:
        self._is_open, self._reason = True, self._reason or reason


def _order_groups(state: InputState, categories: Categories) -> list[int]:
    """The groups by how much their categories change a margin at the clean input, most first."""
    rows = np.concatenate([one.matrix for one in state.problem.unsafe.disjuncts])
    points = np.repeat(categories.inputs.center[None], len(rows), axis=0)
    _, gradient = state.model.network.value_and_gradient(points, rows)
    spread = [
        float(np.ptp(gradient[:, list(choices)], axis=1).max(initial=0.0))
        for choices in categories.choices
    ]
    return sorted(range(len(spread)), key=lambda group: -spread[group])
