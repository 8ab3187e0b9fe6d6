"""Digests of the files of a list as they are now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from onnx_lippa.errors import InputError, LippaError
from onnx_lippa.onnx_io import read_model
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from onnx_lippa.spec import vnnlib


@dataclass
class FileDigests:
    """Digests of the present files of a list, each computed once.

    Attributes:
        folder: the folder that paths are relative to.
    """

    folder: Path
    _known: dict[tuple[str, bool], str] = field(default_factory=dict)

    def fit(self, result: InstanceResult) -> bool:
        """Whether an answer belongs to the present model and property.

        An answer to an unreadable property stands while it is unreadable; an instance whose model
        could not be read is answered again.
        """
        instance = result.instance
        if self._of(instance.vnnlib, False) != result.property_sha256:
            return False
        if not result.property_sha256:
            return True
        return self._of(instance.onnx, True) == result.model_sha256 != ""

    def find_change(self, instance: Instance, result: InstanceResult) -> InputError | None:
        """What is wrong with the files of an answer: they are missing, or others now.

        Args:
            instance: the instance, whose model may have moved.
            result: its answer.
        """
        known = ((instance.vnnlib, False, result.property_sha256, "property"),
                 (instance.onnx, True, result.model_sha256, "model"))  # fmt: skip
        for name, is_model, digest, what in known:
            found = self._of(name, is_model)
            if digest and found != digest:
                path = self.folder / name
                if not path.exists():
                    return InputError(f"{path} is not found: put the {what} where it was")
                return InputError(f"{path} is not the {what} of the list (its SHA-256 differs)")
        return None

    def _of(self, name: str, is_model: bool) -> str:
        if (name, is_model) not in self._known:
            path = self.folder / name
            try:
                found = read_model(path).sha256 if is_model else vnnlib.digest(path)
            except LippaError:
                found = ""
            self._known[name, is_model] = found
        return self._known[name, is_model]
