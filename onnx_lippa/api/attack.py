"""``onnx_lippa.attack``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt

from onnx_lippa.api.result import AttackResult, method_named, run_batch, specified
from onnx_lippa.arrays import AnyArray, Floats
from onnx_lippa.attacks import Settings
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Norm


def attack(
    network: Model | str | Path,
    x: Floats,
    y: npt.ArrayLike | None = None,
    *,
    eps: npt.ArrayLike | None = None,
    norm: str | float | Norm = "linf",
    minimize: bool | None = None,
    targets: str | Sequence[int] = "all",
    lower: npt.ArrayLike = 0.0,
    upper: npt.ArrayLike = 1.0,
    fixed: Sequence[int] | AnyArray | None = None,
    grid: npt.ArrayLike = 0.0,
    method: str = "lippa",
    restarts: int | None = None,
    gradient_steps: int = 60,
    lp_steps: int | None = None,
    time_limit: float = math.inf,
    engine: str = "auto",
    solver: str | None = None,
    seed: int = 0,
    workers: int = 1,
) -> AttackResult:
    """Attacks one input or a batch.

    Args:
        network: a model from :func:`load`, or the path of one.
        x: (n, *input_shape) inputs, or a single one (*input_shape), inside the domain. They are
            rounded to the type that the model takes.
        y: (n,) labels, or one; the model's own predictions when None.
        eps: radius of the ball; None minimises the distance. An array gives one radius for each
            feature, and the ball is ``||(x' - x) / eps|| <= 1``: distances are in units of eps.
        norm: ``"linf"``, ``"l1"``, ``"l2"``, or ``np.inf``, 1, 2.
        minimize: look for the nearest adversarial example (within eps, where that is given);
            None means only where eps is None.
        targets: ``"all"``, ``"runner-up"``, or the classes that count.
        lower: lower end of the domain, or an array with one for each feature.
        upper: its upper end, likewise.
        fixed: features that must not move: a boolean mask, or a list of them (counted in the
            flattened input). They keep their values whatever domain and grid say.
        grid: step of which features take whole multiples only, as 1/255 or 1; or an array with
            one for each feature, 0 for those that take any value.
        method: ``"lippa"``, ``"lippa+mip"`` or ``"pgd"``.
        restarts: rounds of gradient walks after the first, all of them spent until the input is
            broken; None is eight, fewer where they are dear and hopeless.
        gradient_steps: gradient steps of a walk.
        lp_steps: LPSteps of Algorithm 1 for one input, likewise; None is eight, or more where they
            are cheap.
        time_limit: seconds for one input.
        engine: LP engine: ``"auto"``, ``"rows"`` or ``"stacked"``.
        solver: ``"glop"``, ``"highs"``, ``"pdlp"``, ``"clarabel"``, or None for the norm's own.
        seed: same seed, same result.
        workers: processes; the result does not depend on it.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
    """
    settings = Settings(
        method_named(method), eps is None if minimize is None else minimize, restarts,
        gradient_steps, lp_steps, time_limit, seed, engine, solver,
    )  # fmt: skip
    model, specification = specified(
        network, norm, targets, eps, lower, upper, fixed, grid, settings, workers
    )
    return run_batch(model, specification, settings, x, y)
