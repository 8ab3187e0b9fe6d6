"""A plugin of pytest: the fixture ``onnx_lippa``, whose ``assert_robust`` fails readably.

It is registered by an entry point, so a test needs no import. Nothing heavy is loaded before the
fixture is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import pytest

if TYPE_CHECKING:
    import numpy.typing as npt

    from onnx_lippa.api.options import (
        AttackName,
        Fixed,
        Inputs,
        NormName,
        OneHot,
        Radius,
        TargetsName,
    )
    from onnx_lippa.attacks import AttackMethod
    from onnx_lippa.data.options import DataOptions
    from onnx_lippa.onnx_io import Model, Preprocess
    from onnx_lippa.runs.results import Results
    from onnx_lippa.spec import Norm
    from onnx_lippa.spec.feature_names import Amounts

_NAMED: Final = 10
"""Broken inputs that a failure names."""


@final
class RobustnessFixture:
    """What the fixture gives to a test.

    Args:
        factory: makes the folders of runs.
    """

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory

    def assert_robust(
        self,
        model: Model | str | Path,
        data: Inputs | tuple[npt.ArrayLike, npt.ArrayLike],
        *,
        eps: Radius,
        at_most: float = 0.0,
        proven: bool = True,
        scale: Amounts | None = None,
        norm: NormName | float | Norm = "linf",
        targets: TargetsName | Sequence[int] = "all",
        lower: Amounts = 0.0,
        upper: Amounts = 1.0,
        fixed: Fixed = None,
        only_up: Fixed = None,
        only_down: Fixed = None,
        one_hot: OneHot = None,
        relations: Sequence[str] | None = None,
        grid: Amounts = 0.0,
        data_options: DataOptions | None = None,
        preprocess: Preprocess | str | None = None,
        method: AttackName | AttackMethod = "lippa",
        budget: float = math.inf,
        time_limit: float = 60.0,
        seed: int = 0,
        workers: int | None = None,
        cluster: str | None = None,
        out: str | Path | None = None,
    ) -> Results:
        """Fails if the robust error of a model is over a limit.

        Args:
            model: a model from :func:`onnx_lippa.load`, or the path of one.
            data: the path of a data file, inputs, or a pair of inputs and labels.
            eps: radius of the ball, as in :func:`onnx_lippa.audit`.
            at_most: the largest robust error that passes, a share of the inputs.
            proven: whether the upper end of the robust error is held against it, so that unknown
                inputs count as broken. False attacks only, and an attack proves nothing.
            scale: scale of each feature.
            norm: norm of the ball.
            targets: classes that count as adversarial.
            lower: lower bound of the domain.
            upper: upper bound of the domain.
            fixed: features that keep their clean values.
            only_up: features that may only rise.
            only_down: features that may only fall.
            one_hot: groups of features of which one is 1, as in :func:`onnx_lippa.audit`.
            relations: equations that inputs keep.
            grid: step between the values of a feature.
            data_options: how data is read: columns, names, ``DataOptions(first=100)``.
            preprocess: the preprocessing in front of the model.
            method: the attack.
            budget: seconds for the whole audit; an attack has none.
            time_limit: seconds per input.
            seed: random seed.
            workers: worker processes.
            cluster: address of a Dask scheduler.
            out: folder for the results; None is a temporary folder of pytest.

        Returns:
            The results.

        Raises:
            AssertionError: the robust error is over the limit. The message says by how much, which
                inputs are broken, how near, and where the witnesses are.
            InputError: an argument that cannot be used.
            ModelError: a model that cannot be used.
        """
        __tracebackhide__ = True
        import onnx_lippa  # noqa: PLC0415 - pytest starts without solvers and runtime

        x, y = data if isinstance(data, tuple) else (data, None)
        folder = self._factory.mktemp("onnx-lippa") / "run" if out is None else Path(out)
        common: dict[str, Any] = {
            "eps": eps, "scale": scale, "norm": norm, "targets": targets, "lower": lower,
            "upper": upper, "fixed": fixed, "only_up": only_up, "only_down": only_down,
            "one_hot": one_hot, "relations": relations,
            "grid": grid, "preprocess": preprocess, "method": method, "time_limit": time_limit,
            "seed": seed, "workers": workers, "cluster": cluster, "out": folder,
        }  # fmt: skip
        if data_options is not None:
            common["data_options"] = data_options
        results: Results
        if proven:
            results = onnx_lippa.audit(model, x, y, budget=budget, **common)
        else:
            results = onnx_lippa.attack(model, x, y, **common)
        end = "" if proven else ".lower"
        check = onnx_lippa.check(results, fail_over=f"robust_error{end}={float(at_most)!r}")
        if not check.passed:
            message = _describe(results, check.failures[0].sentence, folder)
            raise AssertionError(message)
        return results


@pytest.fixture
def onnx_lippa(tmp_path_factory: pytest.TempPathFactory) -> RobustnessFixture:
    """Robustness of ONNX models: ``assert_robust(model, data, eps=..., at_most=...)``."""
    return RobustnessFixture(tmp_path_factory)


def _describe(results: Results, sentence: str, folder: Path) -> str:
    """The message of a failure."""
    from onnx_lippa.reports.wording import BROKEN, describe_record  # noqa: PLC0415
    from onnx_lippa.text import printable  # noqa: PLC0415
    from onnx_lippa.witness import Verdict  # noqa: PLC0415

    classes = results.inputs.reading.classes
    records = sorted(results.records(), key=lambda one: (one.distance or 0.0, one.index))
    broken = [record for record in records if record.verdict in BROKEN]
    lines = [
        f"{printable(Path(results.figures.facts.model).name)}: {sentence}",
        f"{len(broken)} of {len(records)} inputs are broken"
        + (", the nearest first:" if broken else ""),
    ]
    lines += [f"  input {one.index}: {describe_record(one, classes)}" for one in broken[:_NAMED]]
    if len(broken) > _NAMED:
        lines.append(f"  ... and {len(broken) - _NAMED} more")
    unknown = [record for record in records if record.verdict is Verdict.UNKNOWN]
    if unknown:
        lines.append(f"{len(unknown)} are unknown, which proves nothing; the first:")
        lines += [f"  input {one.index}: {describe_record(one, classes)}" for one in unknown[:3]]
    lines.append(f"witnesses: {folder / 'adversarials.npz'}")
    lines.append(f"check them: onnx-lippa replay {folder}")
    return "\n".join(lines)
