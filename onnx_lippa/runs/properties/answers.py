"""The answers to a property or a list of instances, from memory or from their folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final, overload

from onnx_lippa.errors import InputError
from onnx_lippa.runs.identity import LIST, FileLocation
from onnx_lippa.runs.properties.finding import Answer
from onnx_lippa.runs.properties.folder import ListFile, match_answers, read_answers, read_list
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from onnx_lippa.version import __version__

if TYPE_CHECKING:
    import pandas

ERROR: Final = "error"
"""The answer of an instance that could not be answered."""
ANSWERS: Final = (*(answer.value for answer in Answer), ERROR)
"""All answers."""
OPEN: Final = tuple(name for name in ANSWERS if name not in ("sat", "unsat"))
"""The answers that say nothing of a property."""


@final
@dataclass(frozen=True, repr=False)
class Answers(Sequence[InstanceResult]):
    """The answers to a list of instances, or to one property, in the order of the list.

    A list that was interrupted has the answers so far.

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

    def __len__(self) -> int:
        return len(self.results)

    @overload
    def __getitem__(self, place: int) -> InstanceResult: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[InstanceResult, ...]: ...

    def __getitem__(self, place: int | slice) -> InstanceResult | tuple[InstanceResult, ...]:
        return tuple(self.results.values())[place]

    def __iter__(self) -> Iterator[InstanceResult]:
        return iter(self.results.values())

    def __repr__(self) -> str:
        return f"Answers({self.summary()})"

    @classmethod
    def of(
        cls,
        results: Sequence[InstanceResult],
        listing: ListFile | None = None,
        folder: Path | None = None,
    ) -> Answers:
        """Answers in memory.

        Args:
            results: the answers, in any order.
            listing: their list; None for one of these instances alone, of which no settings are
                known.
            folder: the folder that holds them too; None without one.
        """
        if listing is None:
            instances = tuple(one.instance for one in results)
            here = FileLocation(str(Path.cwd()))
            listing = ListFile(instances, "", __version__, here)
        places: dict[object, list[int]] = {}
        for place, instance in enumerate(listing.instances):
            places.setdefault(instance, []).append(place)
        found = {places[one.instance].pop(0): one for one in results if places.get(one.instance)}
        name = "" if folder is None else folder.resolve().name
        return cls(name, listing, dict(sorted(found.items())), folder)

    @classmethod
    def read(cls, folder: str | Path) -> Answers:
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

    def named(self, name: str) -> Answers:
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

    def summary(self) -> str:
        """The counts of the answers, as the command line prints them."""
        found = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()) if count)
        what = "instance" if self.requested == 1 else "instances"
        return f"{len(self)} of {self.requested} {what}: {found or 'nothing yet'}"

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each answer, with the fields of ``answers.jsonl`` as columns."""
        import pandas  # noqa: PLC0415 - half a second that only this call needs

        names = [one.name for kind in (Instance, InstanceResult) for one in fields(kind)]
        columns = [name for name in names if name != "instance"]
        return pandas.DataFrame([one.as_json() for one in self], columns=columns)

    def as_json(self) -> dict[str, Any]:
        """Counts and answers as plain JSON values."""
        return {
            "requested": self.requested,
            "counts": dict(self.counts),
            "answers": [one.as_json() for one in self],
        }

    @property
    def seconds(self) -> float:
        """Seconds that all answers took together."""
        return sum(one.seconds for one in self.results.values())


AnswerSource: TypeAlias = Answers | Sequence[InstanceResult] | str | Path
"""Where answers are: in memory, or the folder of a property or of a list."""


def holds_answers(source: object) -> bool:
    """Whether a source is one of answers, and not of runs."""
    if isinstance(source, str | Path):
        return (Path(source) / LIST).exists()
    return isinstance(source, Answers) or (
        isinstance(source, tuple | list)
        and bool(source)
        and all(isinstance(one, InstanceResult) for one in source)
    )


def take_answers(source: object) -> Answers:
    """The answers of a source: results of instances, or a folder.

    Raises:
        InputError: it holds none.
        DamagedFolderError: a file is damaged.
    """
    if isinstance(source, str | Path):
        return Answers.read(source)
    if isinstance(source, Answers):
        return source
    if not isinstance(source, tuple | list) or not holds_answers(source):
        raise InputError("a run is no list of answers: give the folder of a property or of a list")
    return Answers.of(source)
