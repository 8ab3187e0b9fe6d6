"""What a proof method is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from onnx_lippa.proofs.case import Case


class Proving(ABC):
    """One way to bound the margins of cases.

    A method writes what it proves into the case (:meth:`Case.prove`), offers what it finds
    (:meth:`Case.offer`), and says why a case stays open. What it does to one case depends on that
    case alone.
    """

    batched: ClassVar[bool] = False
    """Whether it is cheap and takes many cases at once; others get one at a time."""

    @abstractmethod
    def run(self, cases: Sequence[Case]) -> None:
        """Works on cases without a verdict."""
