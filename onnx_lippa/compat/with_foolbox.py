"""A foolbox model whose scores and gradients are an ONNX file's."""

from __future__ import annotations

from typing import Any, final

import eagerpy
import foolbox
from typing_extensions import override

from onnx_lippa.compat.classifier import OnnxClassifier
from onnx_lippa.errors import InputError


@final
class FoolboxModel(foolbox.models.base.Model):
    """The logits of an ONNX file for PyTorch tensors or NumPy arrays (n, *input_shape).

    Args:
        classifier: the file.
        lower: lower bound of the domain.
        upper: upper bound of the domain.
    """

    def __init__(self, classifier: OnnxClassifier, lower: float, upper: float) -> None:
        self.classifier = classifier
        self.data_format = f"channels_{'first' if classifier.channels_first else 'last'}"
        self._bounds = foolbox.types.Bounds(lower, upper)
        self._module: Any = None

    @property
    @override
    def bounds(self) -> foolbox.types.Bounds:
        """The domain."""
        return self._bounds

    @override
    def __call__(self, inputs: Any) -> Any:
        """Logits (n, classes), of the same kind as the inputs.

        Raises:
            InputError: tensors of another library.
        """
        x, restore = eagerpy.astensor_(inputs)
        if isinstance(x, eagerpy.PyTorchTensor):
            if self._module is None:
                from onnx_lippa.compat.with_torch import TorchModule  # noqa: PLC0415

                self._module = TorchModule(self.classifier)
            return restore(eagerpy.astensor(self._module(x.raw)))
        if isinstance(x, eagerpy.NumPyTensor):
            return restore(eagerpy.astensor(self.classifier.scores(x.raw)))
        raise InputError(
            f"the inputs are {type(x).__name__}s: give PyTorch tensors, or NumPy arrays where the "
            "attack needs no gradient"
        )
