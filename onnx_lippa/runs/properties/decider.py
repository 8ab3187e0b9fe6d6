"""How properties are decided: an attack, a proof, and what they may spend."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending, Reason
from onnx_lippa.errors import ModelError
from onnx_lippa.onnx_io import LoadLimits, Model, Preprocess
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.identity import describe_options
from onnx_lippa.runs.properties.falsify import falsify, load_for
from onnx_lippa.runs.properties.finding import Answer, Finding, FindingListener, ignore
from onnx_lippa.runs.properties.verify import verify
from onnx_lippa.spec import Property
from onnx_lippa.state import Budget

ANSWERING: Final = "answering"
_LEAST_SECONDS: Final = 1e-3


@dataclass(frozen=True)
class Step:
    """A step on the way to an answer.

    Attributes:
        doing: what is done in it.
        model_sha256: digest of the model, once it is loaded.
        property_sha256: digest of the property, once it is read.
        load_seconds: seconds that loading the model took.
    """

    doing: str = "starting"
    model_sha256: str = ""
    property_sha256: str = ""
    load_seconds: float = 0.0


@dataclass(frozen=True)
class Decider:
    """How properties are decided.

    Attributes:
        attack: the search for counterexamples.
        proof: the proof that there is none; None leaves proofs out.
        budget: seconds for a property, and the seed.
        case_limit: seconds for the proof of one case.
        output: output of the model to use, as in :func:`onnx_lippa.load`.
        threads: threads of ONNX Runtime.
        limits: memory and time for loading a model; None loads it without a trial.
        preprocess: what becomes of the inputs, which the property is about, before a model takes
            them; None for nothing.
    """

    attack: AttackMethod
    proof: ProofMethod | None
    budget: Budget
    case_limit: float = math.inf
    output: str | None = None
    threads: int = 1
    limits: LoadLimits | None = None
    preprocess: Preprocess | None = None

    @property
    def options(self) -> str:
        """What an answer depends on besides files and time limits, as text."""
        proof = [] if self.proof is None else [self.proof]
        text = describe_options(self.attack, *proof, Budget(seed=self.budget.seed))
        return text + describe_interface(self.output, self.preprocess)

    def of_model(self, model: Model) -> Decider:
        """The same decider with the output and preprocessing of a model that is loaded."""
        outputs = [one.name for one in model.file.proto.graph.output]
        name = model.interface.output_name
        output = None if outputs == [name] else name
        return replace(self, output=output, preprocess=model.preprocess)

    def decide(
        self,
        network: Model | str | Path,
        property: Property | str | Path,
        tell: FindingListener = ignore,
        answer: Answerer | None = None,
    ) -> Generator[Step, None, Finding]:
        """Decides a property; reading it and loading the model count towards the time limit.

        Args:
            network: the model, or its path.
            property: the property, or the path of a VNN-LIB file.
            tell: is told what is known after each part of the work.
            answer: answers once both are read; None answers in this process.

        Yields:
            The steps, as they begin.

        Returns:
            The answer.

        Raises:
            InputError: the property cannot be read, or does not fit the model.
            ModelError: a model that cannot be used.
            ContradictionError: a case was proven in which a counterexample was found.
        """
        deadline = time.monotonic() + self.budget.time_limit

        def left() -> float:
            return max(deadline - time.monotonic(), _LEAST_SECONDS)

        try:
            yield Step("reading the property")
            if not isinstance(property, Property):
                property = Property.from_vnnlib(property, deadline)
            yield Step("reading the model", "", property.sha256)
            started = time.monotonic()
            model = self._load(network, property, left())
            loaded = time.monotonic() - started
            yield Step(ANSWERING, model.file.sha256, property.sha256, loaded)
            limited = replace(self, budget=replace(self.budget, time_limit=left()))
            return (answer or Decider.answer)(limited, model, property, tell)
        except OutOfTimeError as error:
            return Finding(Answer.TIMEOUT, reason=error.reason)
        except ModelError as error:
            if time.monotonic() < deadline:
                raise
            return Finding(Answer.TIMEOUT, reason=Reason(Ending.OUT_OF_TIME, str(error)))

    def answer(self, model: Model, property: Property, tell: FindingListener = ignore) -> Finding:
        """Answers a property in this process, within the time limit.

        Raises:
            InputError: the property does not fit the model.
            ContradictionError: a case was proven in which a counterexample was found.
        """
        if self.proof is None:
            return falsify(model, property, self.attack, self.budget, tell)
        return verify(model, property, self.attack, self.proof, self.budget, self.case_limit, tell)

    def _load(self, network: Model | str | Path, property: Property, left: float) -> Model:
        if isinstance(network, Model):
            return network
        limits = self.limits
        if limits is not None:
            limits = replace(limits, seconds=min(limits.seconds, left))
        return load_for(
            property, network, output=self.output, threads=self.threads, limits=limits,
            preprocess=self.preprocess,
        )  # fmt: skip


def describe_interface(output: str | None, preprocess: Preprocess | None) -> str:
    """The end of the options as text: the output of models, and what is in front of them."""
    text = "" if output is None else f"; output: {output}"
    return text if preprocess is None else f"{text}; preprocess: {json.dumps(preprocess.as_json())}"


Answerer: TypeAlias = Callable[[Decider, Model, Property, FindingListener], Finding]
"""Answers a property once model and property are read, as :meth:`Decider.answer` does."""
