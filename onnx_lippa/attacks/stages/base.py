"""What a stage is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from onnx_lippa.attacks.ledger import Ledger

PROMISING: Final = 0.3
"""An input is worth further effort while some walk brought a margin below this share of its
clean value. Of 15 inputs broken by restarts on three networks, all were below 0.25 after the
first round; most of those that stay unbroken are above."""


class Stage(ABC):
    """One pass over the problems that are not settled. What it does to one problem depends on
    that problem alone, so results do not depend on how inputs are batched."""

    @abstractmethod
    def run(self, ledger: Ledger) -> None:
        """Works on the ledger's unsettled problems."""
