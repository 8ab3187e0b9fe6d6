"""What a stage is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from onnx_lippa.attacks.ledger import Ledger


class Stage(ABC):
    """One pass over the problems that are not settled. What it does to one problem depends on
    that problem alone, so results do not depend on how inputs are batched."""

    @abstractmethod
    def run(self, ledger: Ledger) -> None:
        """Works on the ledger's unsettled problems."""
