"""What a repetition of a run has in common with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.results import Results
from onnx_lippa.runs.summary import versions
from onnx_lippa.version import __version__

_LISTED: Final = 20


@final
@dataclass(frozen=True)
class Difference:
    """An input or an instance whose result is another in the repeated run.

    Attributes:
        index: index of the input in the data, or position of the instance in its list.
        eps: the radius; None where distances are minimised.
        sentence: both results.
    """

    index: int
    eps: float | None
    sentence: str


@final
@dataclass(frozen=True)
class Repeated:
    """A run, or a list of properties, and its repetition.

    Attributes:
        inputs: number of results that were compared, those of all radii of a curve, or of answers.
        differences: the inputs whose verdict, witness or proven distance is another, or the
            instances whose answer or counterexample is.
        changed_versions: packages with another version than in the run, with both versions.
        limited: whether the run had a time limit, which may make results differ.
        sha256: digest of the verdicts and witnesses of the repetition.
        results: the results of the repetition, one for each radius; empty for properties.
        answers: the answers of the repetition; None for runs.
    """

    inputs: int
    differences: tuple[Difference, ...]
    changed_versions: Mapping[str, tuple[str, str]]
    limited: bool
    sha256: str
    results: tuple[Results, ...] = ()
    answers: Answers | None = None

    @property
    def is_identical(self) -> bool:
        """Whether all verdicts (answers) and witnesses are the same."""
        return not self.differences

    def summary(self) -> str:
        """One line where everything is identical; else the first differences and their causes."""
        if self.is_identical:
            one = self.inputs == 1
            what = ("verdict", "witness", "witnesses")
            if self.answers is not None:
                what = ("answer", "counterexample", "counterexamples")
            said = f"{what[0]} with its {what[1]}" if one else f"{what[0]}s with their {what[2]}"
            return f"identical: {self.inputs} {said} (SHA-256 {self.sha256[:16]})"
        lines = [f"different: {len(self.differences)} of {self.inputs} results"]
        lines += [one.sentence for one in self.differences[:_LISTED]]
        if len(self.differences) > _LISTED:
            lines.append(f"... and {len(self.differences) - _LISTED:,} more")
        changed = [f"{name} {old}, now {new}" for name, (old, new) in self.changed_versions.items()]
        if changed:
            lines.append(f"versions differ: {'; '.join(changed)}")
        if self.limited:
            lines.append("the run has a time limit: what it ends may differ from run to run")
        if not changed and not self.limited:
            lines.append("the versions are the same and there is no time limit: this is a bug")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "identical": self.is_identical,
            "inputs": self.inputs,
            "differences": [vars(one) for one in self.differences],
            "changed_versions": {k: list(pair) for k, pair in self.changed_versions.items()},
            "limited": self.limited,
            "sha256": self.sha256,
        }


def compare_versions(then: Mapping[str, str], version: str) -> dict[str, tuple[str, str]]:
    """The packages with another version now than then, with both versions.

    Args:
        then: the versions of packages at the time.
        version: that of this program.
    """
    now, was = versions() | {"onnx-lippa": __version__}, {**then, "onnx-lippa": version}
    return {name: (was[name], now[name]) for name in was if name in now and was[name] != now[name]}
