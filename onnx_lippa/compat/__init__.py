"""An ONNX file as a white-box classifier of other libraries, and their findings replayed here.

:class:`OnnxClassifier` has scores and exact gradients of a file as NumPy arrays.
:func:`torch_module`, :func:`foolbox_model` and :func:`art_classifier` hand them to PyTorch, foolbox
and ART, whose gradient attacks then run on the file. :func:`check_adversarials` replays what these
attacks found, by the rules of this package.
"""

from onnx_lippa.compat.classifier import OnnxClassifier
from onnx_lippa.compat.transfer import check_adversarials
from onnx_lippa.compat.wrappers import art_classifier, foolbox_model, torch_module

__all__ = [
    "OnnxClassifier",
    "art_classifier",
    "check_adversarials",
    "foolbox_model",
    "torch_module",
]
