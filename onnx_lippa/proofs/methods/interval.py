"""Interval arithmetic over the layers, many cases at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from onnx_lippa.bounds.margins import interval_margins
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.ir.network import Network
from onnx_lippa.proofs.methods.bounds import ByBounds
from onnx_lippa.spec import StatedSet, UnsafeSet
from onnx_lippa.witness import ProvedBy


@final
class ByIntervals(ByBounds):
    """The cheapest proof, and the loosest."""

    proved_by: ClassVar[ProvedBy] = ProvedBy.INTERVAL

    def margins(
        self,
        network: Network,
        inputs: Sequence[StatedSet],
        unsafe: Sequence[UnsafeSet],
        deadline: float,
    ) -> list[Proven]:
        """See :meth:`ByBounds.margins`."""
        return interval_margins(network, inputs, unsafe, deadline=deadline)
