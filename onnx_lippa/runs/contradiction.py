"""Merges results of one input, and finds contradictions between a witness and a proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.errors import ContradictionError
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Problem, UnsafeSet
from onnx_lippa.witness import Result, Verdict

_EXACT: Final = 1e-9
"""Rounding of float64, as a share of the margin's size plus 1."""
_SINGLE: Final = 1e-3
"""Largest difference between ONNX Runtime and the imported network, as such a share; loading a
model checks a smaller one."""


def contradicts(x: Floats, outputs: Floats, bound: float, unsafe: UnsafeSet, model: Model) -> bool:
    """Whether an unsafe input refutes a positive lower bound of all margins.

    A proof is about real numbers, a witness about the floats of ONNX Runtime; if a margin is 0 but
    for rounding, both can be right. The proof is wrong only if the input's margin in float64 is
    below the bound, or if ONNX Runtime computes another function than the imported network.

    Args:
        x: (d,) the input.
        outputs: (k,) the outputs of ONNX Runtime for it.
        bound: the proven bound.
        unsafe: the outputs that are unsafe.
        model: the model.
    """
    read = model.network.forward(x[None].astype(np.float64))
    margin, ran = (float(unsafe.margins(logits).min()) for logits in (read, outputs[None]))
    size = 1 + float(np.abs(read).max())
    return margin < bound - _EXACT * size or abs(margin - ran) > _SINGLE * size


_CLAIMS: Final = (Verdict.MISCLASSIFIED, Verdict.ADVERSARIAL, Verdict.ROBUST)


def merge_results(before: Result, after: Result, problem: Problem, model: Model) -> Result:
    """The claim of either, and the effort of both.

    Args:
        before: the result so far.
        after: the result of a further stage.
        problem: the problem of the input.
        model: the model.

    Raises:
        ContradictionError: a witness and a proof that cannot both hold.
    """
    bound = max(before.bound, after.bound)
    both = {before.verdict, after.verdict}
    if Verdict.ROBUST in both and Verdict.MISCLASSIFIED in both:
        raise _report(problem, model)
    claim = before if before.verdict in _CLAIMS else after
    if Verdict.ADVERSARIAL in both and bound > 0:
        claim = _broken(before, after)
        witness = claim.witness
        if witness is None or contradicts(witness.x, witness.outputs, bound, problem.unsafe, model):
            raise _report(problem, model)
        bound = 0.0
    return replace(
        claim,
        best_margin=min(before.best_margin, after.best_margin),
        bound=bound,
        effort=before.effort + after.effort,
        reason=claim.reason or (None if claim.verdict in _CLAIMS else before.reason),
    )


def _broken(before: Result, after: Result) -> Result:
    """The result with the witness: if only rounding decides, ONNX Runtime does."""
    return before if before.verdict is Verdict.ADVERSARIAL else after


def _report(problem: Problem, model: Model) -> ContradictionError:
    """The error of an input that has a witness and a proof."""
    inputs = problem.inputs
    return ContradictionError(
        f"input {problem.index} has both a witness and a proof of robustness, which cannot be: "
        f"please report this as a bug, with the model ({model.file.path.name}, SHA-256 "
        f"{model.file.sha256}), the input, the norm {inputs.norm.name} and eps {inputs.eps:g}"
    )
