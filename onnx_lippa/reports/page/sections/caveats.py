"""What could make the figures of a run mean less than they seem to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from typing import Final, TypeAlias, final

import numpy as np
from scipy.stats import binomtest

from onnx_lippa.ending import Ending
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.wording import count_inputs
from onnx_lippa.witness import ProvedBy, Verdict


class Level(Enum):
    """How much it matters."""

    PROBLEM = "problem"
    CAUTION = "caution"
    FINE = "fine"


Found: TypeAlias = tuple[Level, str]
_FINE: Final = Level.FINE

_FEW: Final = 100
"""Inputs below which the sampling error is pointed out."""
_FEW_OF_A_CLASS: Final = 5
_MUCH_CLEAN_ERROR: Final = 0.2
_MISLED: Final = 0.3
"""Share of witnesses that gradients missed, from which they are said to mislead."""
_FEW_MISSED: Final = 3
"""Fewest of them."""
_THIN: Final = 1e-5
"""Proven margins below it are within the rounding of a float32 runtime."""


@final
@dataclass(frozen=True)
class Caveat:
    """One thing that could make the figures of a run mean less, and what was found of it.

    Attributes:
        title: what was looked at.
        level: how much what was found matters.
        found: what was found, in sentences.
    """

    title: str
    level: Level
    found: str


def find_caveats(run: ReportedRun) -> tuple[Caveat, ...]:
    """All that was looked at, problems first."""
    caveats = [Caveat(title, *look(run)) for title, look in CAVEATS]
    return tuple(sorted(caveats, key=lambda one: list(Level).index(one.level)))


def _check_completeness(run: ReportedRun) -> Found:
    done, wanted = run.figures["inputs"], run.figures["requested"]
    if done < wanted:
        return Level.PROBLEM, (
            f"Only {done} of {wanted} inputs have a result: the run was interrupted. Easy inputs "
            "come first, so the shares are those of easy inputs."
        )
    return _FINE, f"All {wanted} inputs have a result."


def _check_sample(run: ReportedRun) -> Found:
    total = run.figures["inputs"]
    if not total:
        return Level.PROBLEM, "There is no input."
    if run.eps is None:
        lower = upper = run.figures["clean_error"]
        what = "clean error"
    else:
        (lower, upper), what = run.interval, "robust error"
    low = binomtest(round(lower * total), total).proportion_ci().low
    high = binomtest(round(upper * total), total).proportion_ci().high
    sentence = (
        f"If these {total} inputs are a random sample, the {what} of all inputs lies between "
        f"{low:.1%} and {high:.1%} (95%, Clopper-Pearson)."
    )
    if lower < upper:
        sentence += " What is unknown counts as robust at the lower end and as broken at the upper."
    return (Level.CAUTION if total < _FEW else _FINE), sentence


def _check_labels(run: ReportedRun) -> Found:
    data = str(run.figures["data"])
    if "drawn from the domain" in data:
        return Level.PROBLEM, (
            "The inputs are drawn at random from the domain and labelled by the model itself: no "
            "real data was looked at."
        )
    if run.run.are_labelled is False:
        return Level.CAUTION, (
            "The data has no labels: the model's own predictions are taken as true, so that the "
            "clean error is 0 by construction."
        )
    if run.run.are_labelled is None:
        return Level.CAUTION, (
            "The data of the run is not found, so that pictures of the inputs are left "
            "out. Its digest is below."
        )
    return _FINE, "The inputs come with labels."


def _check_clean_error(run: ReportedRun) -> Found:
    if not run.records:
        return _FINE, "There is no input."
    error = run.figures["clean_error"]
    label, most = Counter(one.label for one in run.records).most_common(1)[0]
    chance = 1 - most / len(run.records)
    if len({one.label for one in run.records}) > 1 and error >= chance:
        return Level.PROBLEM, (
            f"The clean error of {error:.1%} is no better than always answering "
            f"{run.class_name(label)}, the commonest class ({chance:.1%}): a preprocessing step "
            "may be missing."
        )
    if len({one.prediction for one in run.records}) == 1 and len(run.records) > 1:
        return Level.CAUTION, "The model answers every clean input with the same class."
    if error > _MUCH_CLEAN_ERROR:
        return Level.CAUTION, (
            f"The clean error is {error:.1%}. Check that the inputs are scaled and ordered as in "
            "training."
        )
    return _FINE, f"The clean error is {error:.1%}, against {chance:.1%} by the commonest class."


def _check_classes(run: ReportedRun) -> Found:
    counted = Counter(one.label for one in run.records)
    seen = {one.prediction for one in run.records} | {
        one.target for one in run.records if one.target is not None
    }
    absent = sorted(seen - counted.keys())
    few = sorted(label for label, count in counted.items() if count < _FEW_OF_A_CLASS)
    sentences = []
    if len(counted) == 1:
        sentences.append("All inputs are of one class.")
    if absent:
        sentences.append(f"No input is of class {_list(run, absent)}, which the model answers.")
    if few:
        sentences.append(
            f"Fewer than {_FEW_OF_A_CLASS} inputs are of class {_list(run, few)}: the figures of "
            "these classes say little."
        )
    if sentences:
        return Level.CAUTION, " ".join(sentences)
    return _FINE, f"Each of {len(counted)} classes has at least {_FEW_OF_A_CLASS} inputs."


def _check_size(run: ReportedRun) -> Found:
    if run.run.reading.resize:
        shape = "×".join(map(str, run.run.input_shape))
        return Level.CAUTION, (
            f"The images were resized to {shape}, the size of the model: eps and distances are in "
            "the space of the model, not in that of the original images."
        )
    return _FINE, "The inputs have the size of the model."


def _check_repetitions(run: ReportedRun) -> Found:
    clean = run.run.clean
    if clean is None or not len(clean):
        return _FINE, "There are no inputs to compare."
    flat = clean.reshape(len(clean), -1)
    # Digests of rows: to sort the rows of a large run would take minutes.
    repeated = len(flat) - len({blake2b(row.tobytes(), digest_size=16).digest() for row in flat})
    if repeated:
        return (
            Level.CAUTION,
            f"{count_inputs(repeated)} copied from another one: repeated inputs count each time.",
        )
    return _FINE, "No input occurs twice."


def _check_changes(run: ReportedRun) -> Found:
    identity = run.run.identity
    d = int(np.prod(run.run.input_shape))
    still = d - int(identity.features.moving(d).sum())
    if run.eps == 0.0 or still == d:
        return Level.PROBLEM, "No change of the inputs is allowed: this is the clean error."
    if still:
        return Level.CAUTION, (
            f"{still} of {d} features keep their clean values: changes of these are not covered."
        )
    held = len(identity.features.only_up) + len(identity.features.only_down)
    if held:
        return Level.CAUTION, (
            f"{held} of {d} features may only rise or only fall: changes the other way are not "
            "covered."
        )
    return _FINE, f"All {d} features may move, within {run.ball}."


def _check_targets(run: ReportedRun) -> Found:
    targets = run.run.identity.targets
    if targets != "all":
        return Level.CAUTION, (
            f"Only some wrong classes count ({targets}): another wrong answer is no failure here."
        )
    return _FINE, "Every wrong class counts."


def _check_decisions(run: ReportedRun) -> Found:
    total, unknown = len(run.records), len(run.by_verdict[Verdict.UNKNOWN])
    if not run.proves and not run.bounds_distances:
        return Level.CAUTION, (
            "An attack alone: inputs that it does not break may still break. Only audit and "
            "certify prove."
        )
    if unknown:
        return Level.CAUTION, (
            f"{unknown} of {total} inputs ({unknown / total:.1%}) are unknown: neither broken nor "
            "proven. They are the width of the interval."
        )
    return _FINE, "No input is unknown."


def _check_solvers(run: ReportedRun) -> Found:
    mip = run.figures["proved_by"]["mip"]
    proofs = mip + sum(one.distance_proved_by is ProvedBy.MIP for one in run.records)
    if proofs:
        are = "1 proof is" if proofs == 1 else f"{proofs} proofs are"
        return Level.CAUTION, f"{are} the word of a MIP solver, up to its tolerances."
    return _FINE, "No proof rests on the word of a solver."


def _check_margins(run: ReportedRun) -> Found:
    bounds = [one.bound for one in run.by_verdict[Verdict.ROBUST] if one.bound is not None]
    thin = sum(bound < _THIN for bound in bounds)
    if thin:
        return Level.CAUTION, (
            f"{thin} proven margin{'s are' if thin > 1 else ' is'} below {_THIN:g}. Proofs are in "
            "real arithmetic; a runtime that rounds to float32 may answer such an input otherwise."
        )
    if not bounds:
        return _FINE, "There is no proof."
    return _FINE, f"The least proven margin is {min(bounds):.3g}."


def _check_gradients(run: ReportedRun) -> Found:
    found = len(run.broken)
    if not found:
        return _FINE, "There is no witness."
    if run.minimizes:
        return _FINE, "Distances were minimised: what found a witness first is not counted."
    missed = found - run.figures["found_by"]["gradient"]
    if missed >= _FEW_MISSED and missed / found >= _MISLED:
        return Level.CAUTION, (
            f"{missed} of {found} witnesses were found by other means than gradients, which "
            "mislead on this model: a test by gradients alone would look far better."
        )
    return _FINE, "Gradients alone would have found most of what was found."


def _check_errors(run: ReportedRun) -> Found:
    failed = [one for one in run.records if one.ending in (Ending.CRASHED, Ending.ERROR,
                                                           Ending.FAILED)]  # fmt: skip
    if failed:
        return Level.PROBLEM, (
            f"{count_inputs(len(failed))} unknown since a solver or a process failed on them, the "
            f"first of them input {failed[0].index}: {failed[0].reason}."
        )
    return _FINE, "No input ended in an error."


def _list(run: ReportedRun, labels: list[int]) -> str:
    return ", ".join(run.class_name(label) for label in labels[:10]) + (
        ", …" if len(labels) > 10 else ""
    )


CAVEATS: Final[tuple[tuple[str, Callable[[ReportedRun], Found]], ...]] = (
    ("Finished", _check_completeness),
    ("Errors", _check_errors),
    ("Labels", _check_labels),
    ("Clean error", _check_clean_error),
    ("Allowed changes", _check_changes),
    ("Sample", _check_sample),
    ("Classes", _check_classes),
    ("Size", _check_size),
    ("Repeated inputs", _check_repetitions),
    ("Targets", _check_targets),
    ("Decided", _check_decisions),
    ("Gradients", _check_gradients),
    ("Solvers", _check_solvers),
    ("Margins", _check_margins),
)
"""What is looked at; a further thing is a function and a line here."""
