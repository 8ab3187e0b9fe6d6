"""A classifier of ART whose scores and gradients are an ONNX file's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any, Final, final

import numpy as np
from art.estimators.classification.classifier import ClassifierNeuralNetwork
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Floats, Shape
from onnx_lippa.compat.classifier import OnnxClassifier
from onnx_lippa.errors import InputError


@final
class ArtClassifier(ClassifierNeuralNetwork):
    """An ONNX file for the attacks of ART, black-box and white-box.

    Args:
        classifier: the file.
        clip_values: lower and upper bound of the domain: numbers, or arrays of the input's shape.
    """

    def __init__(self, classifier: OnnxClassifier, clip_values: tuple[Floats, Floats]) -> None:
        super().__init__(
            model=classifier, clip_values=clip_values, channels_first=classifier.channels_first
        )
        self.nb_classes = classifier.classes

    @property
    @override
    def input_shape(self) -> Shape:
        """Shape of one input."""
        return self._file.input_shape

    @property
    def _file(self) -> OnnxClassifier:
        file: OnnxClassifier = self.model
        return file

    @override
    def predict(self, x: AnyArray, batch_size: int = 128, **_: Any) -> Floats:
        """Logits (n, classes). Batches are of the size that the file allows."""
        return self._file.scores(x)

    @override
    def loss_gradient(self, x: AnyArray, y: AnyArray, **_: Any) -> Floats:
        """Gradients (n, *input_shape) of the cross-entropy; y are classes or one-hot rows."""
        return self._file.loss_gradient(x, y)

    @override
    def class_gradient(self, x: AnyArray, label: Any = None, **_: Any) -> Floats:
        """Gradients (n, classes, *input_shape) of all logits, or (n, 1, *input_shape) of one."""
        return self._file.class_gradient(x, label)

    @override
    def compute_loss(self, x: AnyArray, y: AnyArray, reduction: str = "none", **_: Any) -> AnyArray:
        """Cross-entropy (n,); its mean or sum where ``reduction`` is "mean" or "sum"."""
        losses = self._file.loss(x, y)
        if reduction not in _REDUCTIONS:
            raise InputError(f"there is no reduction {reduction!r}: give none, mean or sum")
        return np.asarray(_REDUCTIONS[reduction](losses))

    @override
    def fit(
        self, x: AnyArray, y: AnyArray, batch_size: int = 128, nb_epochs: int = 20, **_: Any
    ) -> None:
        """Raises NotImplementedError: an exported file is not trained."""
        raise NotImplementedError(_NOT_TRAINED)

    @override
    def get_activations(
        self, x: AnyArray, layer: int | str, batch_size: int, framework: bool = False
    ) -> Floats:
        """Raises NotImplementedError: only inputs and scores of a file are known."""
        raise NotImplementedError("activations inside an ONNX file are not available")

    @override
    def save(self, filename: str, path: str | None = None) -> None:
        """Copies the file."""
        copyfile(self._file.model.file.path, Path(path or ".") / filename)


_NOT_TRAINED: Final = "an ONNX file is not trained here: train the original, and export it again"
_REDUCTIONS: Final[dict[str, Callable[[Floats], object]]] = {
    "none": np.asarray,
    "mean": np.mean,
    "sum": np.sum,
}
