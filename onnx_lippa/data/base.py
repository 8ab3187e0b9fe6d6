"""What a data format must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from onnx_lippa.arrays import AnyArray, Shape


@dataclass(frozen=True)
class Stored:
    """An array exactly as a file holds it.

    Attributes:
        values: the array, of any type and shape, or the first of its entries.
        where: the file, and the name of the array in it, for messages.
        whole: shape of the whole array where only its first entries were read, else None.
    """

    values: AnyArray
    where: str
    whole: Shape | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the whole array."""
        return self.values.shape if self.whole is None else self.whole


@dataclass(frozen=True)
class StoredData:
    """Inputs, and labels where there are any, before anything is converted or checked."""

    inputs: Stored
    labels: Stored | None


class Format(ABC):
    """A kind of data file. Stateless."""

    naming: ClassVar[str]
    """How the files are recognised by their names, for messages."""

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Whether the name of the file is one of this format."""

    @abstractmethod
    def read(self, path: Path, most: int | None = None) -> StoredData:
        """The arrays of the file and of its companions; nothing is ever unpickled.

        Args:
            path: the file with the inputs.
            most: numbers that are needed of the inputs, the first ones; None for all. Only large
                arrays are cut.

        Raises:
            InputError: a file that cannot be read, that lacks the inputs, or that would take too
                much memory.
        """
