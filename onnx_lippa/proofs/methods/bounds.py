"""What interval and linear proofs share: margins of many cases at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from onnx_lippa.bounds.crown import BoundsTooLargeError
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ir.network import Network
from onnx_lippa.proofs.case import Case
from onnx_lippa.proofs.methods.base import Proving
from onnx_lippa.spec import StatedSet, UnsafeSet
from onnx_lippa.witness import ProvedBy


class ByBounds(Proving):
    """A proof by lower bounds of margins. A subclass names it and computes them."""

    batched: ClassVar[bool] = True
    proved_by: ClassVar[ProvedBy]

    @abstractmethod
    def margins(
        self,
        network: Network,
        inputs: Sequence[StatedSet],
        unsafe: Sequence[UnsafeSet],
        deadline: float,
    ) -> list[Proven]:
        """Lower bounds (disjuncts,) of the margins of each case.

        Raises:
            BoundsTooLargeError: they do not fit into memory.
            OutOfTimeError: the deadline has passed.
        """

    def run(self, cases: Sequence[Case]) -> None:
        """See :meth:`Proving.run`."""
        inputs = [case.stated for case in cases]
        unsafe = [case.problem.unsafe for case in cases]
        deadline = cases[0].deadline  # of what is done for all at once
        try:
            margins = self.margins(cases[0].model.network, inputs, unsafe, deadline)
        except (BoundsTooLargeError, OutOfTimeError) as error:
            for case in cases:
                case.reason = str(error)
            return
        for case, found in zip(cases, margins, strict=True):
            case.reason = f"its {self.proved_by.value} bounds leave a margin open"
            case.prove(found, self.proved_by)
