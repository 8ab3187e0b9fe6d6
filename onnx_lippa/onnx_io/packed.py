"""A checked model as bytes, for machines that do not have its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from onnx_lippa.onnx_io.model import Model, ModelSource
from onnx_lippa.onnx_io.reader import read_files


@dataclass(frozen=True)
class PackedModel:
    """A model with its files. Its digest identifies it wherever it is opened.

    Attributes:
        source: the model as it was checked.
        files: the bytes of the model's file and of its external weights, by names relative to its
            folder.
    """

    source: ModelSource
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, model: Model) -> PackedModel:
        """A model with the files as they are now; whoever opens it compares its digest.

        Raises:
            InputError: the model's file is gone.
            ModelError: the files are no longer a model.
        """
        return cls(model.source, read_files(model.file.path))

    def unpack(self, folder: Path) -> ModelSource:
        """Writes the files into a folder.

        Args:
            folder: an empty folder.

        Returns:
            The model, to be opened from there.

        Raises:
            OSError: a file cannot be written.
        """
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return replace(self.source, path=folder / self.source.path.name)
