"""The whole pipeline: stages in order, budgets kept, contradictions loud."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from onnx_lippa import InputError, Verdict, audit, certify, verify
from onnx_lippa.attacks import AttackMethod, Lippa, LippaMip, Pgd
from onnx_lippa.ending import OUT_OF_TIME
from onnx_lippa.errors import ContradictionError, LippaError
from onnx_lippa.method import Finished, Job, Stage
from onnx_lippa.proofs import BranchAndBound, LinearBounds, ProofMethod
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.contradiction import merge_results
from onnx_lippa.runs.curve import carry_over, order_radii
from onnx_lippa.runs.properties.finding import Answer
from onnx_lippa.runs.workers import Workers
from onnx_lippa.spec import Property, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import Effort, ProvedBy, Result
from tests.support.attacks import digits, mlp_file, plain_outputs, problems_of

AUDIT = Audit(Lippa(restarts=1))


def run(count=30, eps=0.07, method=AUDIT, workers=1, time_limit=20.0):
    model, x, y = digits()
    asked = problems_of(model, x, y, range(count), eps)
    with Workers(model, workers) as pool:
        return list(method.run(pool, asked, Budget(time_limit)))


def test_every_input_ends_once_and_stages_come_in_order():
    events = run()
    final = [event.result.index for event in events if isinstance(event, Finished)]
    assert sorted(final) == list(range(30))
    order = list(Stage)
    places = [order.index(event.stage) for event in events]
    assert places == sorted(places)
    last = {event.result.index: event.result for event in events}
    kinds = {outcome.verdict for outcome in last.values()}
    assert {Verdict.ADVERSARIAL, Verdict.ROBUST} <= kinds
    assert Verdict.UNKNOWN not in kinds
    for outcome in last.values():
        assert (outcome.bound > 0) == (outcome.verdict is Verdict.ROBUST)


def test_a_settled_input_is_left_alone():
    seen: dict[int, int] = {}
    for place, event in enumerate(run()):
        assert event.result.index not in seen
        if isinstance(event, Finished):
            seen[event.result.index] = place


def test_verdicts_do_not_depend_on_the_workers():
    def settled(events):
        return {
            e.result.index: (e.result.verdict, e.result.bound, e.result.effort.nodes)
            for e in events
            if isinstance(e, Finished)
        }

    assert settled(run(12)) == settled(run(12, workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_budget_is_kept(workers):
    """mnist_mlp at 0.1 takes minutes without one."""
    import onnx_lippa

    model = onnx_lippa.load("models/mnist_mlp.onnx")
    with np.load("models/mnist_mlp.npz") as data:
        name = next(n for n in ("images", "x", "inputs") if n in data.files)
        x = data[name][:40].reshape(40, -1).astype(np.float32)
        y = data["labels" if "labels" in data.files else "y"][:40]
    x = x / 255 if x.max() > 1 else x
    asked = problems_of(model, x, y, range(40), 0.1)
    started = time.monotonic()
    with Workers(model, workers) as pool:
        events = list(replace(AUDIT, budget=1.5).run(pool, asked, Budget(20.0)))
    assert time.monotonic() - started < 1.5 + 4.0  # processes start, shared machines stall
    assert sorted(e.result.index for e in events if isinstance(e, Finished)) == list(range(40))


def test_a_budget_of_nothing_leaves_all_unknown():
    events = run(5, method=replace(AUDIT, budget=1e-9))
    assert {e.result.verdict for e in events} == {Verdict.UNKNOWN}
    assert all(isinstance(e, Finished) for e in events)


def test_settings_refused():
    with pytest.raises(InputError, match="budget"):
        Audit(budget=0.0)
    with pytest.raises(InputError, match="eps"):
        AUDIT.check(get_norm("linf"), minimize=True)


def test_a_witness_and_a_proof_stop_the_run():
    model, x, y = digits()
    adversarial = next(e.result for e in run() if e.result.verdict is Verdict.ADVERSARIAL)
    problem = problems_of(model, x, y, [adversarial.index], 0.07)[0]
    robust = Result(adversarial.index, Verdict.ROBUST, bound=0.5, proved_by=ProvedBy.COMPLETE)
    for first, second in ((adversarial, robust), (robust, adversarial)):
        with pytest.raises(ContradictionError, match=r"input \d+ .*report.*SHA-256"):
            merge_results(first, second, problem, model)
    assert issubclass(ContradictionError, LippaError)
    assert ContradictionError.exit_code == 1


def test_a_witness_by_rounding_alone_is_no_contradiction():
    """ONNX Runtime's float32 decides where a margin is positive in real numbers, but hardly."""
    model, x, y = digits()
    adversarial = next(e.result for e in run() if e.result.verdict is Verdict.ADVERSARIAL)
    problem = problems_of(model, x, y, [adversarial.index], 0.07)[0]

    def margin(point):
        return float(problem.unsafe.margins(model.network.forward(point[None])).min())

    ends = [adversarial.witness.x.astype(np.float64), x[adversarial.index].ravel()]
    for _ in range(60):
        middle = (ends[0] + ends[1]) / 2
        ends[int(margin(middle) > 0)] = middle
    thin = ends[1]
    assert 0 < margin(thin) < 1e-6
    outputs = model.network.forward(thin[None])[0]
    label, rival = int(y[adversarial.index]), int(np.argsort(outputs)[-2])
    rounded = outputs.astype(np.float32)
    rounded[rival], rounded[label] = rounded[label] + np.float32(1e-6), rounded[rival]
    witness = replace(adversarial.witness, x=thin, outputs=rounded)
    broken = replace(adversarial, witness=witness)
    proven = Result(
        broken.index, Verdict.ROBUST, bound=margin(thin) / 2, proved_by=ProvedBy.COMPLETE
    )
    for first, second in ((broken, proven), (proven, broken)):
        both = merge_results(first, second, problem, model)
        assert (both.verdict, both.bound) == (Verdict.ADVERSARIAL, 0.0)
        assert both.witness is witness
    other_network = rounded + np.float32(1) * (np.arange(10) == rival)
    for wrong in (
        (broken, replace(proven, bound=margin(thin) + 1e-5)),
        (replace(broken, witness=replace(witness, outputs=other_network)), proven),
    ):
        with pytest.raises(ContradictionError):
            merge_results(*wrong, problem, model)


def test_merging_adds_up():
    model, x, y = digits()
    problem = problems_of(model, x, y, [0])[0]
    one = Result(
        0, Verdict.UNKNOWN, best_margin=0.5, effort=Effort(lp_steps=2, seconds=1.0, nodes=3)
    )
    spent = Effort(lps=1, seconds=2.0, nodes=4)
    other = Result(0, Verdict.ROBUST, bound=0.1, proved_by=ProvedBy.LINEAR, effort=spent)
    both = merge_results(one, other, problem, model)
    assert (both.verdict, both.proved_by, both.bound) == (Verdict.ROBUST, ProvedBy.LINEAR, 0.1)
    assert (both.effort.lp_steps, both.effort.seconds, both.effort.nodes, both.best_margin) == (
        2,
        3.0,
        7,
        0.5,
    )


def test_contradictions_come_through_the_whole_run(monkeypatch):
    """A proof engine that lies is caught by the attack."""

    def lying(self, model, asked, budget):
        for problem in asked:
            yield Result(problem.index, Verdict.UNKNOWN, bound=1.0)

    real = AttackMethod.solve

    def slow_to_start(self, model, asked, budget):
        """Finds nothing in the first, quick stage."""
        if self.restarts == 0:
            return (Result(problem.index, Verdict.UNKNOWN) for problem in asked)
        return real(self, model, asked, budget)

    monkeypatch.setattr(ProofMethod, "solve", lying)
    monkeypatch.setattr(AttackMethod, "solve", slow_to_start)
    with pytest.raises(ContradictionError):
        run(30, 0.07)


@pytest.mark.parametrize(
    ("method", "kinds"),
    [(Lippa(), [Pgd, Lippa, LippaMip]), (Pgd(), [Pgd] * 2)],
)
def test_partial_patterns_come_where_searches_stall(monkeypatch, method, kinds):
    """Proofs that prove nothing at all; which attacks are asked for, and with how much time."""
    asked: list[tuple[AttackMethod, float]] = []

    def nothing(self, model, problems, budget):
        return [Result(problem.index, Verdict.UNKNOWN, reason=OUT_OF_TIME) for problem in problems]

    def noted(self, model, problems, budget):
        asked.append((self, budget.time_limit))
        return [Result(problem.index, Verdict.UNKNOWN) for problem in problems]

    monkeypatch.setattr(ProofMethod, "solve", nothing)
    monkeypatch.setattr(AttackMethod, "solve", noted)
    events = run(1, method=Audit(method), time_limit=40.0)
    assert [type(one) for one, _ in asked] == kinds
    stages = [event.stage for event in events]
    if method == Lippa():
        assert asked[-1][1] == pytest.approx(31 / 4)
        at = stages.index(Stage.PATTERNS)
        assert stages[:at].count(Stage.SEARCH) == 2
        assert Stage.SEARCH in stages[at:]
    else:
        assert Stage.PATTERNS not in stages
    assert events[-1].result.reason is OUT_OF_TIME


def test_a_reason_outlives_an_attack_without_one():
    model, x, y = digits()
    problem = problems_of(model, x, y, [0])[0]
    limit, silent = (Result(0, Verdict.UNKNOWN, reason=said) for said in (OUT_OF_TIME, None))
    robust = Result(0, Verdict.ROBUST, bound=0.1, proved_by=ProvedBy.LINEAR)
    assert merge_results(limit, silent, problem, model).reason is OUT_OF_TIME
    assert merge_results(limit, robust, problem, model).reason is None


def test_errors_of_workers_come_through():
    model, x, y = digits()
    job = Job(problems_of(model, x, y, range(2)), Lippa(solver="warp"), Budget())
    with Workers(model, 2) as pool, pytest.raises(InputError, match="warp"):
        list(pool.run([job]))


def test_jobs_after_the_deadline_are_not_begun():
    model, x, y = digits()
    job = Job(problems_of(model, x, y, range(2)), BranchAndBound(), Budget())
    with Workers(model, 1) as pool:
        assert list(pool.run([job], time.monotonic() - 1)) == []
    with Workers(model, 2) as pool:
        assert list(pool.run([job, job], time.monotonic() - 1)) == []
        assert len(list(pool.run([job]))) == 2


def test_a_job_gets_no_more_time_than_is_left(monkeypatch):
    """A job that begins shortly before the deadline does not run for all of its own limit."""
    model, x, y = digits()
    limits: list[float] = []

    def noted(self, model, problems, budget):
        limits.append(budget.time_limit)
        time.sleep(0.1)
        return [Result(problem.index, Verdict.UNKNOWN) for problem in problems]

    monkeypatch.setattr(ProofMethod, "solve", noted)
    one, two = (problems_of(model, x, y, range(n)) for n in (1, 2))
    asked = BranchAndBound(), Budget(3.0)
    with Workers(model, 1) as pool:
        jobs = [Job(one, *asked), Job(one, *asked), Job(two, *asked)]
        list(pool.run(jobs, time.monotonic() + 2.0))
        list(pool.run(jobs[:1]))
    assert limits[0] == pytest.approx(2.0, abs=0.05)
    assert limits[1] == pytest.approx(limits[0] - 0.1, abs=0.05)
    assert limits[2] == pytest.approx((limits[1] - 0.1) / 2, abs=0.05)
    assert limits[3] == 3.0


def test_orders_of_a_curve():
    assert order_radii([0.2, 0.1, 0.3], Lippa().radius_order) == [1, 0, 2]
    assert order_radii([0.2, 0.1, 0.3], BranchAndBound().radius_order) == [2, 0, 1]
    order = order_radii([0.1, 0.2, 0.3, 0.4, 0.5], AUDIT.radius_order)
    assert order[:3] == [0, 4, 2]
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order_radii([0.1, 0.2], AUDIT.radius_order) == [0, 1]


def test_what_carries_over():
    model, x, y = digits()
    known = {0.07: [e.result for e in run(20) if isinstance(e, Finished)]}
    by_index = {outcome.index: outcome for outcome in known[0.07]}
    larger = carry_over(model, problems_of(model, x, y, range(20), 0.09), known)
    smaller = carry_over(model, problems_of(model, x, y, range(20), 0.03), known)
    kinds = {Verdict.MISCLASSIFIED, Verdict.ADVERSARIAL}
    assert {o.index for o in larger} == {i for i, o in by_index.items() if o.verdict in kinds}
    assert all(o.effort.seconds == 0.0 for o in larger)
    kinds = {Verdict.MISCLASSIFIED, Verdict.ROBUST}
    assert {o.index for o in smaller} >= {i for i, o in by_index.items() if o.verdict in kinds}
    for outcome in larger:
        if outcome.witness is not None:
            assert (
                plain_outputs(model.file.path, outcome.witness.x[None]).argmax() != y[outcome.index]
            )


def test_from_python():
    model, x, y = digits()
    result = certify(model, x[:8], y[:8], eps=0.05)
    lower, upper = result.robust_error
    assert lower == upper
    both = audit(model, x[:8], y[:8], eps=0.05)
    assert both.verdicts == result.verdicts
    assert audit(model, x[0], y[0], eps=0.01).verdicts == (Verdict.ROBUST,)
    linear = certify(model, x[:8], y[:8], eps=0.05, method="linear")
    assert linear.robust_error[1] >= upper
    with pytest.raises(InputError, match="choose one of auto, interval"):
        certify(model, x[:1], y[:1], eps=0.1, method=cast(Any, "magic"))
    with pytest.raises(InputError):
        certify(model, x[:1], y[:1], eps=0.1, method="mip", solver=cast(Any, "abacus"))


def test_a_lying_proof_of_a_case_is_caught(tmp_path, monkeypatch):
    """One of two cases is proven wrongly; the thorough search finds its counterexample."""
    verify_module = importlib.import_module("onnx_lippa.runs.properties.verify")
    path = mlp_file(tmp_path, (2, 12, 2))
    declared = "".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0", "Y_1"))
    either = " ".join(
        f"(and (>= X_0 {low}) (<= X_0 {low + 0.1}) (<= Y_0 {most}))"
        for low, most in ((0.1, 1000.0), (0.3, -1000.0))
    )
    spec = tmp_path / "two.vnnlib"
    spec.write_text(f"{declared}(assert (>= X_1 0.2))(assert (<= X_1 0.4))(assert (or {either}))")
    asked = Property.from_vnnlib(spec)
    assert len(asked.cases) == 2
    real, calls = verify_module.falsify, []

    def slow_to_start(model, asked, *rest):
        calls.append(rest)
        found = real(model, asked, *rest)
        return found if len(calls) > 1 else replace(found, answer=Answer.UNKNOWN, x=None)

    def lying(self, model, asked, budget):
        (problem,) = asked
        bound = 1.0 if float(problem.unsafe.disjuncts[0].bound[0]) > 0 else -1.0
        verdict = Verdict.ROBUST if bound > 0 else Verdict.UNKNOWN
        return [Result(problem.index, verdict, bound=bound)]

    monkeypatch.setattr(verify_module, "falsify", slow_to_start)
    monkeypatch.setattr(ProofMethod, "solve", lying)
    with pytest.raises(ContradictionError, match="was proven and has a counterexample"):
        verify(path, asked, timeout=5)


def test_properties_both_ways(tmp_path):
    path = mlp_file(tmp_path, (3, 12, 2))
    import onnx_lippa

    model = onnx_lippa.load(path)
    box = np.full(3, 0.2), np.full(3, 0.6)
    points = np.random.default_rng(0).uniform(*box, (4000, 3)).astype(np.float32)
    least = float(model.network.forward(points)[:, 0].min())
    row = np.array([[1.0, 0.0]])
    safe = Property.build(*box, [(row, np.array([least - 0.5]))])
    found = verify(model, safe, timeout=20)
    assert found.answer is Answer.UNSAT
    assert found.bound > 0
    assert found.x is None
    unsafe = Property.build(*box, [(row, np.array([least + 0.1]))])
    found = verify(model, unsafe, timeout=20)
    assert found.answer is Answer.SAT
    assert found.x is not None
    assert plain_outputs(path, found.x[None])[0, 0] <= least + 0.1
    found = verify(model, unsafe, timeout=20, method=LinearBounds().name)
    assert found.answer is Answer.SAT
