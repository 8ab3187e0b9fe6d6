"""A classifier with gradients, in NumPy arrays alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray, Floats, Shape, size
from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io import Model, load

_IMAGE_AXES: Final = 3
_CHANNELS: Final = (1, 3, 4)
"""Numbers of channels of an image."""
_CLASS_NUMBERS: Final = "integers from 0 to {}, one for each input"


@final
class OnnxClassifier:
    """The scores of an ONNX file and their gradients, for arrays of any number of inputs.

    Scores are those of ONNX Runtime on the file; a trailing softmax or sigmoid is left out, so that
    they are always logits. Gradients are exact within a linear region, and compiled (they run in
    ONNX Runtime too).

    Args:
        model: a classifier from :func:`onnx_lippa.load`, or the path of one.

    Raises:
        InputError: the file cannot be read.
        ModelError: a model that cannot be used.
    """

    def __init__(self, model: Model | str | Path) -> None:
        self._model = model if isinstance(model, Model) else load(model)
        self._model.require_classes()
        activation = self._model.network.output_activation
        self._gives_logits = activation is OutputActivation.IDENTITY

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def input_shape(self) -> Shape:
        """Shape of one input."""
        return self._model.network.input_shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._model.network.output_size

    @property
    def channels_first(self) -> bool:
        """Whether the channels of an image come before its rows, as PyTorch exports them.

        Attacks of other libraries place patches by it. Other inputs count as channels first.
        """
        shape = self.input_shape
        is_image = len(shape) == _IMAGE_AXES
        return not (is_image and shape[-1] in _CHANNELS and shape[0] not in _CHANNELS)

    def scores(self, x: npt.ArrayLike) -> Floats:
        """Logits (n, classes) for inputs (n, *input_shape).

        Raises:
            InputError: inputs of another shape.
        """
        rows = self._rows(x)
        if len(rows) == 0:
            return np.zeros((0, self.classes), dtype=rows.dtype)
        if self._gives_logits:
            return self._model.runtime.forward(rows)
        return self._model.values.forward(rows)

    def gradient(self, x: npt.ArrayLike, v: npt.ArrayLike) -> Floats:
        """Gradients (n, *input_shape) of the weighted sums of logits ``v · scores(x)``.

        Args:
            x: (n, *input_shape) inputs.
            v: (n, classes) weights of the logits.

        Raises:
            InputError: arrays of other shapes.
        """
        rows, weights = self._rows(x), np.asarray(v)
        if weights.shape != (len(rows), self.classes):
            raise InputError(
                f"the weights have shape {weights.shape}: give ({len(rows)}, {self.classes}), one "
                "for each input and class"
            )
        if len(rows) == 0:
            return np.zeros((0, *self.input_shape), dtype=rows.dtype)
        _, gradient = self._model.gradient.value_and_gradient(rows, weights)
        return gradient.reshape(len(rows), *self.input_shape)

    def loss(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """Cross-entropy (n,) of inputs.

        Args:
            x: (n, *input_shape) inputs.
            y: (n,) classes, or (n, classes) probabilities such as one-hot rows.

        Raises:
            InputError: arrays of other shapes, or classes that the model does not have.
        """
        scores = self.scores(x)
        targets = self._probabilities(y, len(scores))
        return -(targets * _log_softmax(scores)).sum(axis=1)

    def loss_gradient(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """Gradients (n, *input_shape) of :meth:`loss`.

        Args:
            x: (n, *input_shape) inputs.
            y: (n,) classes, or (n, classes) probabilities.

        Raises:
            InputError: arrays of other shapes, or classes that the model does not have.
        """
        scores = self.scores(x)
        targets = self._probabilities(y, len(scores))
        softmax = np.exp(_log_softmax(scores))
        return self.gradient(x, softmax * targets.sum(axis=1, keepdims=True) - targets)

    def class_gradient(self, x: npt.ArrayLike, label: npt.ArrayLike | None = None) -> Floats:
        """Gradients (n, c, *input_shape) of single logits.

        Args:
            x: (n, *input_shape) inputs.
            label: a class, or (n,) one for each input, and c is 1; None takes all classes.

        Raises:
            InputError: arrays of other shapes, or classes that the model does not have.
        """
        rows = self._rows(x)
        if label is None:
            taken = np.tile(np.arange(self.classes), len(rows))
            repeated = np.repeat(rows, self.classes, axis=0)
        else:
            taken = np.broadcast_to(self._classes(label), (len(rows),))
            repeated = rows
        found = self.gradient(repeated.reshape(-1, *self.input_shape), np.eye(self.classes)[taken])
        return found.reshape(len(rows), -1, *self.input_shape)

    def _rows(self, x: npt.ArrayLike) -> Floats:
        given = np.asarray(x, dtype=self._model.interface.dtype)
        if given.shape[1:] != self.input_shape:
            listed = ", ".join(("n", *map(str, self.input_shape)))
            raise InputError(f"the inputs have shape {given.shape}: give ({listed})")
        return given.reshape(len(given), size(self.input_shape))

    def _probabilities(self, y: npt.ArrayLike, count: int) -> AnyArray:
        given = np.asarray(y)
        if given.shape == (count, self.classes):
            return given
        classes = self._classes(given)
        if classes.shape != (count,):
            raise InputError(
                f"the labels have shape {given.shape}: give ({count},) classes, or "
                f"({count}, {self.classes}) probabilities"
            )
        return np.eye(self.classes, dtype=self._model.interface.dtype)[classes]

    def _classes(self, y: npt.ArrayLike) -> AnyArray:
        given = np.asarray(y)
        if not np.issubdtype(given.dtype, np.integer):
            raise InputError(
                f"the classes are of type {given.dtype}: give "
                + _CLASS_NUMBERS.format(self.classes - 1)
            )
        if given.size and not 0 <= given.min() <= given.max() < self.classes:
            raise InputError(
                f"the classes reach from {given.min()} to {given.max()}: give "
                + _CLASS_NUMBERS.format(self.classes - 1)
            )
        return given


def _log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
