"""Properties on the machines of a cluster, which do not have the files of the caller."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from onnx_lippa.ending import OUT_OF_TIME
from onnx_lippa.errors import WorkerError, unopenable
from onnx_lippa.onnx_io import Model, ModelSource, PackedModel, read_files
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.processes import Died, Replied
from onnx_lippa.runs.properties.decider import Decider
from onnx_lippa.runs.properties.finding import Answer, Finding, FindingListener
from onnx_lippa.runs.rounds import LOSSES, kill_after, open_model
from onnx_lippa.runs.services import Service
from onnx_lippa.spec import Property
from onnx_lippa.spec.vnnlib.reader import MAX_BYTES

_LEAST_SECONDS: Final = 1e-3


@dataclass(frozen=True)
class PackedInstance:
    """The files of an instance.

    Attributes:
        onnx: where the model is on the caller's machine.
        vnnlib: where the property is there.
        model: the bytes of the model's file and of its external weights, by names relative to its
            folder.
        property: the bytes of the property's file.
    """

    onnx: Path
    vnnlib: Path
    model: Mapping[str, bytes]
    property: bytes

    @classmethod
    def read(cls, onnx: Path, vnnlib: Path) -> PackedInstance:
        """The files as they are now.

        Raises:
            InputError: a file cannot be read.
            ModelError: the model's file is no ONNX model, or external weights cannot be read.
        """
        try:
            if not vnnlib.is_file() or vnnlib.stat().st_size > MAX_BYTES:
                raise ValueError("no regular file, or too large")
            content = vnnlib.read_bytes()
        except (OSError, ValueError) as problem:
            raise unopenable(vnnlib, problem) from problem
        return cls(onnx, vnnlib, read_files(onnx), content)

    @contextmanager
    def unpack(self, folder: Path) -> Iterator[tuple[Path, Path]]:
        """Writes the files into a folder of their own; yields the paths of model and property."""
        with tempfile.TemporaryDirectory(dir=folder) as home:
            place = Path(home) / "model"
            for name, content in self.model.items():
                path = place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            written = Path(home) / self.vnnlib.name
            written.write_bytes(self.property)
            yield place / self.onnx.name, written

    def name_origins(self, text: str, onnx: Path, vnnlib: Path) -> str:
        """A text that names the unpacked files, with the names of the caller's in their place."""
        for path, origin in ((onnx, self.onnx), (vnnlib, self.vnnlib)):
            text = text.replace(str(path), str(origin))
        return text


def answer_on(
    workers: WorkerChoice,
    decider: Decider,
    model: Model,
    property: Property,
    tell: FindingListener,
) -> Finding:
    """Answers a property in one process of a cluster, as :meth:`Decider.answer` does here.

    Raises:
        LippaError: what the process raised.
        WorkerError: the cluster cannot be used, or the process has ended.
    """
    del tell  # it is told the answer by the caller
    started, limit = time.monotonic(), decider.budget.time_limit
    prepare = partial(_prepare, PackedModel.of(model))
    with workers.open_tasks(_serve(model.source), prepare, started + limit) as pool:
        for _ in range(LOSSES):
            left = limit - (time.monotonic() - started)
            if left < _LEAST_SECONDS or not pool.has_room:
                return Finding(Answer.TIMEOUT, reason=OUT_OF_TIME)
            budget = replace(decider.budget, time_limit=left)
            pool.submit(_Question(replace(decider, budget=budget), property), kill_after(left))
            died = None
            while died is None and pool.is_busy:
                for event in pool.wait():
                    if isinstance(event, Replied):
                        return event.reply
                    if isinstance(event, Died):
                        died = event
            if died is not None and died.overdue:
                return Finding(Answer.TIMEOUT, reason=OUT_OF_TIME)
            if died is not None and not died.is_lost:
                raise WorkerError(f"the property has no answer: its process {died.reason}")
    raise WorkerError(f"the property has no answer: {LOSSES} workers were lost with it")


@dataclass(frozen=True)
class _Question:
    """A property for a process that has the model."""

    decider: Decider
    property: Property


def _prepare(packed: PackedModel, folder: Path) -> Service[_Question, Finding]:
    return _serve(packed.unpack(folder))


def _serve(source: ModelSource) -> Service[_Question, Finding]:
    return Service(open_model, (source,), _answer)


def _answer(model: Model, question: _Question) -> Iterator[Finding]:
    yield question.decider.answer(model, question.property)
