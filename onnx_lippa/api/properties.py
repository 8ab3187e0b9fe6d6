"""``onnx_lippa.falsify``, ``verify`` and ``answer_instances``."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from onnx_lippa.api.options import (
    AttackName,
    EngineName,
    ModelOrPath,
    ProofName,
    SolverName,
    require_preprocess,
)
from onnx_lippa.attacks import AttackMethod, Lippa, make_attack
from onnx_lippa.onnx_io import Model, Preprocess
from onnx_lippa.proofs import ProofMethod, make_proof
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.properties.configuration import describe_answers
from onnx_lippa.runs.properties.decider import Decider
from onnx_lippa.runs.properties.events import AnswerListener
from onnx_lippa.runs.properties.finding import Finding
from onnx_lippa.runs.properties.instances import read_instances
from onnx_lippa.runs.properties.session import AnswerTask, run_list, run_property
from onnx_lippa.spec import Property
from onnx_lippa.state import Budget


def falsify(
    model: ModelOrPath,
    property: Property | str | Path,
    *,
    timeout: float = math.inf,
    preprocess: Preprocess | str | None = None,
    method: AttackName | AttackMethod = "lippa",
    restarts: int | None = None,
    gradient_steps: int | None = None,
    lp_steps: int | None = None,
    engine: EngineName = "auto",
    solver: SolverName | None = None,
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    on_event: AnswerListener | None = None,
) -> Finding:
    """Searches for an input that satisfies a property.

    Args:
        model: a model from :func:`load`, or the path of one.
        property: a property, or the path of a VNN-LIB file.
        timeout: seconds for the search.
        preprocess: what becomes of an input before the model takes it, as in :func:`load`, where
            ``model`` is a path. The property is about the inputs before it.
        method: ``"lippa"``, ``"lippa+mip"``, ``"pgd"`` or another attack by name.
        restarts: PGD restarts, as in :func:`attack`.
        gradient_steps: gradient steps per run; None is the method's own number (lippa and pgd: 60).
        lp_steps: LPSteps of Algorithm 1, as in :func:`attack`.
        engine: LP engine: ``"auto"``, ``"rows"`` or ``"stacked"``.
        solver: as in :func:`attack`.
        seed: same seed, same result (but for a timeout).
        workers: threads of ONNX Runtime, by default one for each core, where ``model`` is a path.
        cluster: address of a Dask scheduler, one of whose workers answers, with one thread;
            ``on_event`` then hears of no part of the work.
        out: folder that the answer is written to, and read from if it is there; it needs the
            property as a file.
        on_event: is called with each event: :class:`AnswersStarted`, a :class:`Finding` with what
            is known after each part of the work, the :class:`InstanceResult`, and
            :class:`AnswersEnded`.

    Returns:
        ``sat`` with an input that replays in ONNX Runtime and meets the property exactly, or
        ``unknown`` or ``timeout``, which prove nothing.

    Raises:
        InputError: a property that cannot be read or does not fit the model.
        ModelError: a model that cannot be used (where a path is given).
        WorkerError: a cluster that cannot be used.
        InterruptedSearch: a KeyboardInterrupt, with what was known.
    """
    attack = make_attack(
        method, restarts=restarts, gradient_steps=gradient_steps, lp_steps=lp_steps,
        engine=engine, solver=solver,
    )  # fmt: skip
    choice = WorkerChoice.of(workers, cluster)
    decider = Decider(attack, None, Budget(timeout, seed), threads=choice.count)
    return _answer(model, property, decider, preprocess, choice, out, on_event)


def verify(
    model: ModelOrPath,
    property: Property | str | Path,
    *,
    timeout: float = 60.0,
    time_limit: float = math.inf,
    preprocess: Preprocess | str | None = None,
    method: ProofName | ProofMethod = "auto",
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    on_event: AnswerListener | None = None,
) -> Finding:
    """Searches for an input that satisfies a property, or proves that there is none.

    Args:
        model: a model from :func:`load`, or the path of one.
        property: a property, or the path of a VNN-LIB file.
        timeout: seconds for everything.
        time_limit: seconds for the proof of one case of the property.
        preprocess: what becomes of an input before the model takes it, as in :func:`falsify`.
        method: how to prove, as in :func:`certify`.
        seed: same seed, same result (but for limits).
        workers: threads of ONNX Runtime, as in :func:`falsify`.
        cluster: address of a Dask scheduler, as in :func:`falsify`.
        out: folder for the answer, as in :func:`falsify`.
        on_event: is called with each event, as in :func:`falsify`.

    Returns:
        ``sat`` with an input that replays, ``unsat`` with a positive ``bound`` of every case,
        ``unknown`` or ``timeout``.

    Raises:
        InputError: a property that cannot be read or does not fit the model.
        ModelError: a model that cannot be used (where a path is given).
        WorkerError: a cluster that cannot be used.
        ContradictionError: a witness and a proof for one case, which is a bug.
        InterruptedSearch: a KeyboardInterrupt, with what was known.
    """
    choice, budget = WorkerChoice.of(workers, cluster), Budget(timeout, seed)
    decider = Decider(Lippa(), make_proof(method), budget, time_limit, threads=choice.count)
    return _answer(model, property, decider, preprocess, choice, out, on_event)


def _answer(
    model: ModelOrPath,
    property: Property | str | Path,
    decider: Decider,
    preprocess: Preprocess | str | None,
    workers: WorkerChoice,
    out: str | Path | None,
    on_event: AnswerListener | None,
) -> Finding:
    wanted = Preprocess.of(preprocess)
    if isinstance(model, Model):
        require_preprocess(model, wanted)
        decider = decider.of_model(model)
    else:
        decider = replace(decider, preprocess=wanted)
    path = model.file.path if isinstance(model, Model) else model
    files = {} if isinstance(property, Property) else {"model": path, "property": property}
    described = describe_answers(decider, workers, files)
    heard = () if on_event is None else (on_event,)
    task = AnswerTask(decider, workers, _path(out), heard, described)
    return run_property(model, property, task)[0]


def answer_instances(
    path: str | Path,
    *,
    attack: AttackName | AttackMethod = "lippa",
    proof: ProofName | ProofMethod | None = "auto",
    timeout: float = math.inf,
    preprocess: Preprocess | str | None = None,
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    on_event: AnswerListener | None = None,
) -> Answers:
    """Answers a list of instances, as ``--instances`` does.

    Every instance is answered in a worker process, so that none can end the list.

    Args:
        path: the CSV file: a model, a property and a timeout per line, relative to its folder.
        attack: the search for counterexamples, as ``method`` of :func:`attack`.
        proof: how to prove that there is none, as ``method`` of :func:`certify`; None leaves proofs
            out, as ``onnx-lippa attack --instances`` does.
        timeout: seconds for an instance, where its line does not give less.
        preprocess: what becomes of an input before a model takes it, as in :func:`falsify`; it is
            the same for all models.
        seed: same seed, same answers (but for timeouts).
        workers: worker processes, by default one for each core.
        cluster: address of a Dask scheduler, whose workers answer instead; each gets the files of
            its instances.
        out: folder that the answers are written to, and resumed from.
        on_event: is called with each event: :class:`AnswersStarted` with the answers of a resumed
            folder, an :class:`InstanceResult` as it comes, :class:`AnswersEnded`.

    Returns:
        The answers in the order of the list.

    Raises:
        InputError: the list cannot be read, or the folder cannot be used or written.
        DamagedFolderError: the files of the folder are damaged.
        WorkerError: workers cannot be started, or a cluster cannot be used.
        InterruptedList: a KeyboardInterrupt, with the answers so far.
    """
    listing, search = Path(path), make_attack(attack)
    decider = Decider(
        search, None if proof is None else make_proof(proof), Budget(timeout, seed),
        preprocess=Preprocess.of(preprocess),
    )  # fmt: skip
    choice = WorkerChoice.of(workers, cluster)
    described = describe_answers(decider, choice, {"instances": listing})
    heard = () if on_event is None else (on_event,)
    task = AnswerTask(decider, choice, _path(out), heard, described)
    return run_list(read_instances(listing), listing.parent, task)


def _path(out: str | Path | None) -> Path | None:
    return None if out is None else Path(out)
