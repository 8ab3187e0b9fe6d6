"""A PyTorch module whose forward and backward passes are an ONNX file's."""

from __future__ import annotations

from typing import Any, final

import torch
from torch.autograd.function import once_differentiable
from typing_extensions import override

from onnx_lippa.compat.classifier import OnnxClassifier


@final
class TorchModule(torch.nn.Module):
    """The logits of an ONNX file for tensors (n, *input_shape), differentiable once in them.

    Args:
        classifier: the file.
    """

    def __init__(self, classifier: OnnxClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    @override
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes)."""
        return _Scores.apply(x, self.classifier)


@final
class _Scores(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, x: torch.Tensor, classifier: OnnxClassifier) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.classifier = classifier
        scores = classifier.scores(x.detach().cpu().numpy())
        return torch.from_numpy(scores).to(device=x.device, dtype=x.dtype)

    @staticmethod
    @override
    @once_differentiable
    def backward(ctx: Any, weights: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        gradient = ctx.classifier.gradient(x.detach().cpu().numpy(), weights.cpu().numpy())
        return torch.from_numpy(gradient).to(device=x.device, dtype=x.dtype), None
