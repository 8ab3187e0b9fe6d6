"""Decisions and least distances, against one linear program for every pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnx_lippa.ending import OUT_OF_TIME, Ending
from onnx_lippa.errors import InputError
from onnx_lippa.mip.decision import MipSettings, decide
from onnx_lippa.mip.distortion import bound_distortion
from onnx_lippa.mip.formulation import BigM
from onnx_lippa.spec import Conjunction
from onnx_lippa.spec.norms.l1 import L1
from onnx_lippa.spec.norms.l2 import L2
from tests.support.faults import StubSolver
from tests.support.mip import least_distance, least_margin, random_disjunct, random_system

WAYS = pytest.mark.parametrize(
    "settings",
    [
        MipSettings(),
        MipSettings(solver="highs"),
        MipSettings(big_m=BigM.ONE, cuts=50),
    ],
    ids=["plain", "highs", "naive-with-cuts"],
)


def moved(disjunct: Conjunction, by: float) -> Conjunction:
    """The same with all margins larger."""
    return replace(disjunct, bound=disjunct.bound - by)


@WAYS
@pytest.mark.parametrize("seed", range(3))
def test_decisions(settings: MipSettings, seed: int) -> None:
    generator = np.random.default_rng([seed, 70])
    reduced, inputs = random_system(generator, norm=L1() if seed == 2 else None)
    given = random_disjunct(generator, 1 + seed % 2)
    least = least_margin(reduced, given, inputs)
    for wanted in (-0.05, 0.05, 0.5):
        disjunct = moved(given, wanted - least)
        answer = decide(reduced, [disjunct], settings)
        if wanted < 0:
            assert answer.ending is Ending.UNSAFE
            assert answer.x is not None
            margin = disjunct.margins(reduced.forward(answer.x[None]))[0]
            assert answer.margin == pytest.approx(float(margin), abs=1e-12)
            assert margin < 0
            assert inputs.distance(answer.x) <= inputs.eps + 1e-6
            assert answer.bound <= wanted + 1e-6
        else:
            assert answer.ending is Ending.PROVEN
            assert 0 < answer.bound <= wanted + 1e-5
            assert answer.x is None
        assert answer.reason is None


def test_one_unsafe_disjunct_is_enough() -> None:
    generator = np.random.default_rng(71)
    reduced, inputs = random_system(generator)
    given = [random_disjunct(generator, rows) for rows in (1, 2, 1)]
    leasts = [least_margin(reduced, disjunct, inputs) for disjunct in given]
    safe = [moved(d, s - least) for d, s, least in zip(given, (0.4, 0.1, 0.3), leasts, strict=True)]
    answer = decide(reduced, safe, MipSettings())
    assert answer.ending is Ending.PROVEN
    assert 0 < answer.bound <= 0.1 + 1e-5
    one_unsafe = [safe[0], moved(given[1], -0.2 - leasts[1]), safe[2]]
    assert decide(reduced, one_unsafe, MipSettings()).ending is Ending.UNSAFE
    assert decide(reduced, [], MipSettings()).ending is Ending.PROVEN


def test_a_margin_of_zero_is_unknown() -> None:
    """Within the solver's tolerances neither is true."""
    generator = np.random.default_rng(72)
    reduced, inputs = random_system(generator)
    given = random_disjunct(generator, 1)
    disjunct = moved(given, 1e-9 - least_margin(reduced, given, inputs))
    answer = decide(reduced, [disjunct], MipSettings())
    assert answer.ending is not Ending.PROVEN
    if answer.reason is not None:
        assert "tolerances" in str(answer.reason)


def test_a_start_that_is_unsafe_is_the_answer() -> None:
    generator = np.random.default_rng(73)
    reduced, _ = random_system(generator)
    disjunct = random_disjunct(generator, 1)
    x = generator.uniform(reduced.lower, reduced.upper)
    disjunct = moved(disjunct, -0.1 - disjunct.margins(reduced.forward(x[None]))[0])
    answer = decide(reduced, [disjunct], MipSettings(), start=x)
    assert answer.ending is Ending.UNSAFE
    np.testing.assert_array_equal(answer.x, x)
    assert answer.effort.nodes == 0


def test_a_replay_has_the_last_word() -> None:
    generator = np.random.default_rng(74)
    reduced, inputs = random_system(generator)
    given = random_disjunct(generator, 1)
    disjunct = moved(given, -0.2 - least_margin(reduced, given, inputs))
    seen: list[np.ndarray] = []

    def refuses(x: np.ndarray) -> bool:
        seen.append(x)
        return False

    answer = decide(reduced, [disjunct], MipSettings(), offer=refuses)
    assert answer.reason is not None
    assert "replay refused" in str(answer.reason)
    assert seen
    assert all(x.shape == (inputs.size,) for x in seen)
    # The last one offered is the least margin there is.
    margin = disjunct.margins(reduced.forward(reduced.restrict(seen[-1][None])))[0]
    assert margin == pytest.approx(-0.2, abs=1e-4)
    accepted = decide(reduced, [disjunct], MipSettings(), offer=lambda _: True)
    assert accepted.ending is Ending.UNSAFE


def test_without_rows_every_output_is_unsafe() -> None:
    reduced, _ = random_system(np.random.default_rng(75))
    nothing = Conjunction(np.zeros((0, 3)), np.zeros(0))
    assert decide(reduced, [nothing], MipSettings()).ending is Ending.UNSAFE
    refused = decide(reduced, [nothing], MipSettings(), offer=lambda _: False)
    assert refused.reason is not None


def test_a_round_ball_is_unknown_with_a_reason() -> None:
    generator = np.random.default_rng(76)
    reduced, inputs = random_system(generator, norm=L2())
    answer = decide(reduced, [random_disjunct(generator, 1)], MipSettings())
    assert answer.reason is not None
    assert "round" in str(answer.reason)
    distortion = bound_distortion(reduced, [random_disjunct(generator, 1)], inputs, MipSettings())
    assert (distortion.lower, distortion.upper) == (0.0, np.inf)
    assert "round" in str(distortion.reason)


def test_limits_leave_it_unknown() -> None:
    generator = np.random.default_rng(77)
    reduced, inputs = random_system(generator, d=6, blocks=(14, 14), eps=1.0)
    given = random_disjunct(generator, 1)
    safe = moved(given, 1e3)
    assert decide(reduced, [safe], MipSettings(time_limit=0.0)).reason is not None
    no_time = bound_distortion(reduced, [given], inputs, MipSettings(time_limit=0.0))
    assert no_time.lower == 0.0
    assert no_time.upper == np.inf
    assert no_time.reason == OUT_OF_TIME


def test_a_failure_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "onnx_lippa.mip.decision.make_mip_solver", lambda _: StubSolver(Ending.FAILED)
    )
    generator = np.random.default_rng(78)
    reduced, _ = random_system(generator)
    disjunct = random_disjunct(generator, 1)
    answer = decide(reduced, [disjunct], MipSettings())
    assert answer.reason is not None
    assert answer.bound == -np.inf
    assert "on purpose" in str(answer.reason)


def test_unknown_solvers_are_refused() -> None:
    reduced, _ = random_system(np.random.default_rng(80))
    with pytest.raises(InputError, match="scip"):
        decide(reduced, [], MipSettings(solver="glop"))


@pytest.mark.parametrize("norm", [None, L1()], ids=["linf", "l1"])
@pytest.mark.parametrize("seed", range(3))
def test_least_distortion(norm: L1 | None, seed: int) -> None:
    generator = np.random.default_rng([seed, 81])
    reduced, inputs = random_system(generator, blocks=(3, 2), norm=norm)
    disjuncts = [random_disjunct(generator, rows, shift=0.5) for rows in (1, 2, 1)]
    least = min(least_distance(reduced, disjunct, inputs) for disjunct in disjuncts)
    for settings in (MipSettings(cuts=9), MipSettings(solver="highs")):
        found = bound_distortion(reduced, disjuncts, inputs, settings)
        assert found.reason is None
        if least > inputs.eps:
            assert found.lower == np.inf
            continue
        assert found.lower == pytest.approx(least, abs=1e-5)
        assert found.upper == pytest.approx(least, abs=1e-5)
        again = bound_distortion(reduced, disjuncts, inputs, settings, start=found.x)
        assert again.lower == pytest.approx(least, abs=1e-5)
