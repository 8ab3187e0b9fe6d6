"""The classifiers of other libraries; each library is imported by the call that needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from onnx_lippa.compat.classifier import OnnxClassifier
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model

if TYPE_CHECKING:
    from onnx_lippa.compat.with_art import ArtClassifier
    from onnx_lippa.compat.with_foolbox import FoolboxModel
    from onnx_lippa.compat.with_torch import TorchModule

Classifiable: TypeAlias = OnnxClassifier | Model | str | Path
"""A classifier, a model from :func:`onnx_lippa.load`, or the path of one."""


def torch_module(model: Classifiable) -> TorchModule:
    """A PyTorch module that gives the logits of the file, with its gradient in the inputs.

    It has no parameters. Tensors may lie on any device; the file runs on the CPU.

    Args:
        model: a model from :func:`onnx_lippa.load`, or the path of one.

    Raises:
        InputError: PyTorch is not installed, or the file cannot be read.
        ModelError: a model that cannot be used.
    """
    with _explain_missing("PyTorch", "torch"):
        from onnx_lippa.compat.with_torch import TorchModule  # noqa: PLC0415
    return TorchModule(_classifier(model))


def foolbox_model(model: Classifiable, *, lower: float = 0.0, upper: float = 1.0) -> FoolboxModel:
    """A foolbox model. Gradients need PyTorch tensors; attacks without any take NumPy arrays too.

    Args:
        model: a model from :func:`onnx_lippa.load`, or the path of one.
        lower: lower bound of the domain.
        upper: upper bound of the domain.

    Raises:
        InputError: foolbox is not installed, or the file cannot be read.
        ModelError: a model that cannot be used.
    """
    with _explain_missing("foolbox", "foolbox"):
        from onnx_lippa.compat.with_foolbox import FoolboxModel  # noqa: PLC0415
    return FoolboxModel(_classifier(model), lower, upper)


def art_classifier(
    model: Classifiable, *, lower: npt.ArrayLike = 0.0, upper: npt.ArrayLike = 1.0
) -> ArtClassifier:
    """A classifier of the Adversarial Robustness Toolbox, with gradients of loss and classes.

    Args:
        model: a model from :func:`onnx_lippa.load`, or the path of one.
        lower: lower bound of the domain: a number, or an array with one per feature.
        upper: upper bound of the domain.

    Raises:
        InputError: ART is not installed, or the file cannot be read.
        ModelError: a model that cannot be used.
    """
    with _explain_missing("ART", "adversarial-robustness-toolbox"):
        from onnx_lippa.compat.with_art import ArtClassifier  # noqa: PLC0415
    classifier = _classifier(model)
    dtype, shape = classifier.model.interface.dtype, classifier.input_shape
    ends = [np.asarray(end, dtype=dtype) for end in (lower, upper)]
    # ART takes two numbers, or two arrays of the shape of an input.
    low, high = (end if end.ndim == 0 else np.broadcast_to(end, shape) for end in ends)
    if low.ndim != high.ndim:
        low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    return ArtClassifier(classifier, (low, high))


def _classifier(model: Classifiable) -> OnnxClassifier:
    return model if isinstance(model, OnnxClassifier) else OnnxClassifier(model)


@contextmanager
def _explain_missing(library: str, package: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"{library} cannot be imported ({error}): install it with pip install {package}"
        ) from error
