"""The answers to a property or a list of instances, from memory or from their folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias, final

from onnx_lippa.errors import InputError
from onnx_lippa.runs.identity import LIST, FileLocation
from onnx_lippa.runs.properties.finding import Answer
from onnx_lippa.runs.properties.folder import ListFile, match_answers, read_answers, read_list
from onnx_lippa.runs.properties.instances import InstanceResult
from onnx_lippa.version import __version__

ERROR: Final = "error"
"""The answer of an instance that could not be answered."""
ANSWERS: Final = (*(answer.value for answer in Answer), ERROR)
"""All answers."""
OPEN: Final = tuple(name for name in ANSWERS if name not in ("sat", "unsat"))
"""The answers that say nothing of a property."""


@final
@dataclass(frozen=True)
class FinishedAnswers:
    """Answers to a list of instances, or to one property, as far as it got.

    Attributes:
        name: name of the folder; empty for answers in memory.
        listing: the instances, and how they were answered.
        results: the answers, by the positions of their instances.
        folder: the folder; None for answers in memory.
    """

    name: str
    listing: ListFile
    results: Mapping[int, InstanceResult]
    folder: Path | None = None

    @classmethod
    def of(
        cls, results: Sequence[InstanceResult], listing: ListFile | None = None
    ) -> FinishedAnswers:
        """Answers in memory.

        Args:
            results: the answers, in any order.
            listing: their list; None for one of these instances alone, of which no settings are
                known.
        """
        if listing is None:
            instances = tuple(one.instance for one in results)
            here = FileLocation(str(Path.cwd()))
            listing = ListFile(instances, "", __version__, here)
        places: dict[object, list[int]] = {}
        for place, instance in enumerate(listing.instances):
            places.setdefault(instance, []).append(place)
        found = {places[one.instance].pop(0): one for one in results if places.get(one.instance)}
        return cls("", listing, dict(sorted(found.items())))

    @classmethod
    def read(cls, folder: str | Path) -> FinishedAnswers:
        """Reads a folder. Its claims are not checked; a replay does that.

        Raises:
            InputError: the folder holds no answers.
            DamagedFolderError: a file is damaged.
        """
        folder = Path(folder)
        if not (folder / LIST).exists():
            raise InputError(f"{folder} holds no answers to properties: give another folder")
        listing = read_list(folder)
        known = match_answers(listing, read_answers(folder))
        return cls(folder.resolve().name, listing, dict(sorted(known.items())), folder)

    def named(self, name: str) -> FinishedAnswers:
        """The same with another name."""
        return replace(self, name=name)

    @property
    def requested(self) -> int:
        """Number of instances."""
        return len(self.listing.instances)

    @property
    def missing(self) -> int:
        """Number of instances without an answer yet."""
        return self.requested - len(self.results)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Number of instances with each answer."""
        counted = Counter(one.answer for one in self.results.values())
        return {name: counted[name] for name in ANSWERS}

    @property
    def open(self) -> int:
        """Number of instances of which nothing is known."""
        return self.requested - self.counts["sat"] - self.counts["unsat"]

    @property
    def seconds(self) -> float:
        """Seconds that all answers took together."""
        return sum(one.seconds for one in self.results.values())


AnswerSource: TypeAlias = Sequence[InstanceResult] | str | Path
"""Where answers are: in memory, or the folder of a property or of a list."""


def holds_answers(source: object) -> bool:
    """Whether a source is one of answers, and not of runs."""
    if isinstance(source, str | Path):
        return (Path(source) / LIST).exists()
    return (
        isinstance(source, tuple | list)
        and bool(source)
        and all(isinstance(one, InstanceResult) for one in source)
    )


def take_answers(source: object) -> FinishedAnswers:
    """The answers of a source: results of instances, or a folder.

    Raises:
        InputError: it holds none.
        DamagedFolderError: a file is damaged.
    """
    if isinstance(source, str | Path):
        return FinishedAnswers.read(source)
    if not isinstance(source, tuple | list) or not holds_answers(source):
        raise InputError("a run is no list of answers: give the folder of a property or of a list")
    return FinishedAnswers.of(source)
