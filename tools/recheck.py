"""Re-checks claimed adversarial examples with onnxruntime and, for the ball and box, in float64."""

from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from torch_networks import Floats, onnxruntime_logits

FEASIBILITY_TOLERANCE = 1e-6
"""How far, in float64, an adversarial example may leave the ℓ∞ ball or the box [0, 1]."""


@dataclass(frozen=True)
class Recheck:
    """The adversarial examples claimed in PyTorch, judged by onnxruntime and in float64."""

    claimed: int
    confirmed: int
    rejected_by_network: int
    rejected_by_ball: int
    rejected_by_box: int
    worst_ball_excess: float | None
    worst_box_excess: float | None
    tolerance: float = FEASIBILITY_TOLERANCE


def recheck(
    session: onnxruntime.InferenceSession,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    adversarials: Floats,
    eps: float,
) -> Recheck:
    """Judges claimed adversarial examples; a rejected one may count under several reasons."""
    claimed = len(adversarials)
    if claimed == 0:
        return Recheck(0, 0, 0, 0, 0, None, None)
    moved = adversarials.astype(np.float64).reshape(claimed, -1)
    clean = pixels.astype(np.float64).reshape(claimed, -1) / 255
    ball = np.abs(moved - clean).max(axis=1) - eps
    box = np.maximum(0 - moved, moved - 1).max(axis=1)
    wrong = onnxruntime_logits(session, adversarials).argmax(axis=1) != labels
    in_ball = ball <= FEASIBILITY_TOLERANCE  # false for nan as well
    in_box = box <= FEASIBILITY_TOLERANCE
    return Recheck(
        claimed=claimed,
        confirmed=int((wrong & in_ball & in_box).sum()),
        rejected_by_network=int((~wrong).sum()),
        rejected_by_ball=int((~in_ball).sum()),
        rejected_by_box=int((~in_box).sum()),
        worst_ball_excess=float(ball.max()),
        worst_box_excess=float(box.max()),
    )
