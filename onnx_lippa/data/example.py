"""The example inside the package: a small classifier of digits, with held-out inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats, Integers

EXAMPLE_MODEL: Final = Path(__file__).parent / "bundled" / "digits_mlp.onnx"
"""Its data lie beside it, under the same name."""
EXAMPLE_EPS: Final = "0.05"
"""The radius of the command line where none is given."""


def load_example() -> tuple[Path, Floats, Integers]:
    """The model and the data of ``--example``, for first steps and for tests of one's own set-up.

    Returns:
        The path of the model, an MLP 64-32-32-10; x (200, 64), images of 8x8 digits with values in
        [0, 1]; and y (200,), their classes.
    """
    with np.load(EXAMPLE_MODEL.with_suffix(".npz")) as data:
        return EXAMPLE_MODEL, data["x"], data["y"]
