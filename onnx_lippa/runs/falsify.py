"""A property put to a model: a search for an input that meets it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.attacks import FoundBy, Problem, Settings, attack_batch
from onnx_lippa.errors import InputError
from onnx_lippa.layers.readout import Readout
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.question import Case, Features, Property, UnsafeSet, inputs_of
from onnx_lippa.witness import Judge, Witness

_QUICK_SHARE: Final = 0.2
"""Share of the time limit in which every case is looked at shortly, where there are several."""


class Answer(Enum):
    """Whether an input exists that the property seeks; a failed search proves nothing."""

    SAT = "sat"
    UNKNOWN = "unknown"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Finding:
    """What a search found.

    Attributes:
        answer: SAT only with a witness that replays exactly.
        x: (d,) the input, in the type of the model; None without one.
        outputs: (k,) what ONNX Runtime gives for it; None without one.
        rounded: inputs that stand for a number no float of the model's type equals, since the
            property leaves them no other; the nearest float is taken for it.
        found_by: which part of the attack found it.
        seconds: wall time of the search.
        lp_steps: LPSteps spent.
        best_margin: the least margin met by any point.
    """

    answer: Answer
    x: Floats | None = None
    outputs: Floats | None = None
    rounded: tuple[int, ...] = ()
    found_by: FoundBy = FoundBy.NOTHING
    seconds: float = 0.0
    lp_steps: int = 0
    best_margin: float = np.inf

    @property
    def note(self) -> str:
        """What a reader must know of inputs that no float can meet; empty where there are none."""
        if not self.rounded:
            return ""
        count = "1 input" if len(self.rounded) == 1 else f"{len(self.rounded)} inputs"
        return (
            f"the property fixes {count} to numbers that no float of the model's type equals: the "
            "nearest one is taken for each"
        )


def falsify(model: Model, asked: Property, settings: Settings) -> Finding:
    """Looks for an input that meets a property.

    Args:
        model: the model.
        asked: the property.
        settings: budgets; the time limit is that of the whole search.

    Raises:
        InputError: the property does not fit the model.
    """
    started = time.monotonic()
    check_fits(model, asked)
    search = _Search(model.joint() if asked.joint else model, asked, settings, started)
    return search.run()


def load_for(
    asked: Property, path: str | Path, *, output: str | None = None, threads: int = 1
) -> Model:
    """Loads a model for a property, and checks the import on inputs the property is about.

    Args:
        asked: the property.
        path: the ONNX file.
        output: as in :func:`onnx_lippa.load`.
        threads: likewise.

    Raises:
        InputError: the property does not fit the model.
        ModelError: as :func:`onnx_lippa.load` raises it.
    """
    model = load(path, output=output, threads=threads, check=False)
    check_fits(model, asked)
    lower = np.min([case.lower for case in asked.cases], axis=0)
    upper = np.max([case.upper for case in asked.cases], axis=0)
    above = np.nextafter(lower, np.inf)  # a domain needs some width
    model.check(Features.given(lower.size, lower=lower, upper=np.maximum(upper, above)))
    return model


def check_fits(model: Model, asked: Property) -> None:
    """Raises InputError where a property is about other inputs or outputs than a model's."""
    network = model.network
    for kind, stated, real in (
        ("input", asked.inputs, network.input_size),
        ("output", asked.outputs, network.output_size),
    ):
        if stated != real:
            raise InputError(
                f"{asked.source} is about {stated} {kind}s, but {model.file.path.name} has {real}: "
                "give the property that belongs to this model"
            )
    if network.readout is not Readout.LOGITS and not _compares_outputs(asked):
        raise InputError(
            f"{asked.source} compares outputs with numbers, but {model.file.path.name} ends in a "
            f"{network.readout.value}, behind which only the order of the outputs is piecewise "
            "linear: state the property for the model without its last step"
        )


def _compares_outputs(asked: Property) -> bool:
    """Whether every row compares two outputs, ``y_i <= y_j``, and nothing else."""
    return not asked.joint and all(
        np.all(c.bound == 0)
        and np.all(np.sort(c.matrix, axis=1)[:, [0, -1]] == [-1, 1])
        and np.all(np.count_nonzero(c.matrix, axis=1) == 2)
        for case in asked.cases
        for c in case.unsafe.disjuncts
    )


class _Search:
    """The cases of one property, each attacked in turn within a common time limit."""

    def __init__(self, model: Model, asked: Property, settings: Settings, started: float) -> None:
        self._model, self._asked, self._settings = model, asked, settings
        self._started = started
        self._lp_steps, self._best = 0, np.inf
        dtype = model.interface.dtype
        self._problems = [_problem(asked, i, c, dtype) for i, c in enumerate(asked.cases)]

    def run(self) -> Finding:
        """Shortly through all cases, then thoroughly."""
        rounds = [self._settings]
        if len(self._problems) > 1:
            share = _QUICK_SHARE * self._settings.time_limit / len(self._problems)
            rounds.insert(0, replace(self._settings, restarts=0, lp_steps=0, time_limit=share))
        for settings in rounds:
            for problem in self._problems:
                left = self._settings.time_limit - (time.monotonic() - self._started)
                if left <= 0:
                    return self._finding(Answer.TIMEOUT)
                limit = min(settings.time_limit, left)
                found = self._attack(problem, replace(settings, time_limit=limit))
                if found is not None:
                    return found
        out_of_time = time.monotonic() - self._started >= self._settings.time_limit
        return self._finding(Answer.TIMEOUT if out_of_time else Answer.UNKNOWN)

    def _attack(self, problem: Problem, settings: Settings) -> Finding | None:
        if any(conjunction.bound.size == 0 for conjunction in problem.unsafe.disjuncts):
            # Nothing is asked of the outputs: any input of the box will do.
            judge = Judge(self._model.runtime)
            witness = judge.witness(
                problem.inputs.center, problem.inputs, problem.unsafe, problem.asked
            )
            if witness is not None:
                return self._sat(problem, witness, FoundBy.CLEAN)
        problem = _with_rows(problem)
        if not problem.unsafe.disjuncts:
            return None
        for outcome in attack_batch(self._model, [problem], settings):
            self._lp_steps += outcome.lp_steps
            self._best = min(self._best, outcome.best_margin)
            if outcome.witness is not None:
                return self._sat(problem, outcome.witness, outcome.found_by)
        return None

    def _sat(self, problem: Problem, witness: Witness, found_by: FoundBy) -> Finding:
        rounded = () if problem.asked is None else tuple(sorted(problem.asked.meant))
        found = self._finding(Answer.SAT)
        outputs = witness.outputs[: self._asked.outputs]
        return replace(found, x=witness.x, outputs=outputs, rounded=rounded, found_by=found_by)

    def _finding(self, answer: Answer) -> Finding:
        seconds = time.monotonic() - self._started
        return Finding(
            answer, seconds=seconds, lp_steps=self._lp_steps, best_margin=float(self._best)
        )


def _problem(asked: Property, index: int, case: Case, dtype: np.dtype[np.floating]) -> Problem:
    inputs, claim = inputs_of(asked, case, dtype)
    return Problem(index, inputs, case.unsafe, UnsafeSet(()), claim)


def _with_rows(problem: Problem) -> Problem:
    """The problem without conjunctions that ask nothing."""
    kept = tuple(c for c in problem.unsafe.disjuncts if c.bound.size)
    return replace(problem, unsafe=UnsafeSet(kept))
