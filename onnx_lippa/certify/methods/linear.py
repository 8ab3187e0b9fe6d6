"""Linear bounds by backward substitution over the layers, many cases at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from onnx_lippa.certify.bounds import BoundsTooLargeError, linear_margins
from onnx_lippa.certify.case import Case
from onnx_lippa.certify.methods.base import Proving
from onnx_lippa.witness import ProvedBy


@final
class ByLinearBounds(Proving):
    """What CROWN and DeepPoly prove, without branching."""

    batched: ClassVar[bool] = True

    def run(self, cases: Sequence[Case]) -> None:
        """See :meth:`Proving.run`."""
        inputs = [case.inputs for case in cases]
        unsafe = [case.problem.unsafe for case in cases]
        try:
            margins = linear_margins(cases[0].model.network, inputs, unsafe)
        except BoundsTooLargeError as error:
            for case in cases:
                case.reason = str(error)
            return
        for case, found in zip(cases, margins, strict=True):
            case.reason = "its linear bounds leave a margin open"
            case.prove(float(found.min()), ProvedBy.LINEAR)
