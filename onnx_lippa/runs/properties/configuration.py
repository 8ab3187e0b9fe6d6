"""The configuration of answers that a call of Python asked for, for ``config.toml``."""

from __future__ import annotations

import math
from pathlib import Path

from onnx_lippa.attacks import Lippa
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.runs.configuration import Configuration, Options, name_method, text_of
from onnx_lippa.runs.identity import describe_options
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.decider import Decider


def describe_answers(
    decider: Decider, workers: WorkerChoice, files: dict[str, str | Path]
) -> Configuration:
    """The options of the command that gives the same answers.

    Args:
        decider: how properties are decided.
        workers: worker processes, or threads of ONNX Runtime for one property; or a cluster.
        files: ``model`` and ``property``, or ``instances``.
    """
    notes: list[str] = []
    if decider.proof is None:
        command, options, unsaid = name_method(decider.attack)
        values = [] if unsaid is None else [unsaid]
    elif isinstance(decider.proof, BranchAndBound) and decider.attack != Lippa():
        attacked, unsaid = name_method(decider.attack)[1], name_method(decider.proof)[2]
        command, options = "audit", {"method": attacked["method"]}
        is_plain = decider.attack == type(decider.attack)()
        values = [one for one in (None if is_plain else decider.attack, unsaid) if one is not None]
    else:
        command, options, unsaid = name_method(decider.proof)
        values = [one for one in (unsaid,) if one is not None]
        values += [] if decider.attack == Lippa() else [decider.attack]
    if values:
        notes.append(f"Its method was made in Python: {describe_options(*values)}")
    if decider.case_limit < math.inf:
        notes.append(f"The proof of one case had {decider.case_limit:g} seconds, in Python.")
    limit, preprocess = decider.budget.time_limit, decider.preprocess
    stated: Options = {name: str(Path(path).resolve()) for name, path in files.items()}
    stated |= options
    stated |= {
        "timeout": limit if limit < math.inf else None,
        "output": decider.output,
        "preprocess": None if preprocess is None else text_of(preprocess),
        "seed": decider.budget.seed,
        "workers": workers.count if workers.cluster is None else None,
        "cluster": workers.cluster,
    }
    known = {name: value for name, value in stated.items() if value is not None}
    return Configuration(command, known, tuple(notes))
