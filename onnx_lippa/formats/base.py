"""What a data format must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from onnx_lippa.arrays import AnyArray


@dataclass(frozen=True)
class Stored:
    """An array exactly as a file holds it.

    Attributes:
        values: the array, of any type and shape.
        where: the file, and the name of the array in it, for messages.
    """

    values: AnyArray
    where: str


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
    def read(self, path: Path) -> StoredData:
        """The arrays of the file and of its companions; nothing is ever unpickled.

        Args:
            path: the file with the inputs.

        Raises:
            InputError: a file that cannot be read, or that lacks the inputs.
        """
