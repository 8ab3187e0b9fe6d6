"""The errors a caller can meet, and the exit code each one becomes on the command line.

Every message is written for the person who gave the input: one sentence that says what is
wrong and what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from onnx_lippa.text import printable, printable_lines

_MOST_PROBLEMS: Final = 40
"""Most nodes that one message lists."""


class LippaError(Exception):
    """Base of every error that onnx-lippa raises on purpose.

    Its message is one printable line, whatever names and paths are part of it.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str = "") -> None:
        super().__init__(self._cleaned(message))

    def _cleaned(self, message: str) -> str:
        return printable(message)


class InputError(LippaError):
    """An argument, a data file or a folder that cannot be used as given."""

    exit_code: ClassVar[int] = 2


class DamagedFolderError(InputError):
    """A folder of results whose files are missing, damaged, or not what the run wrote."""

    exit_code: ClassVar[int] = 5


class ModelError(LippaError):
    """A model file that cannot be used."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True)
class NodeProblem:
    """One reason why a model cannot be imported.

    Attributes:
        node: name of the ONNX node (or of its first output, where it has no name).
        op: operator type, with its domain where that is not the standard one.
        reason: what is not supported about it.
    """

    node: str
    op: str
    reason: str

    def __str__(self) -> str:
        return printable(f"{printable(self.op)} '{printable(self.node)}': {self.reason}")


class Unsupported(Exception):  # noqa: N818  # reads as the statement it makes
    """A part of a model that has no meaning here; its message is the reason.

    The importer turns it into a :class:`NodeProblem`, so no caller meets it.
    """


class UnsupportedModelError(ModelError):
    """A model with parts outside the supported operators; lists all of them at once."""

    def __init__(self, problems: tuple[NodeProblem, ...]) -> None:
        self.problems = problems
        count = "1 node is" if len(problems) == 1 else f"{len(problems)} nodes are"
        shown = [f"  - {problem}" for problem in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            shown.append(f"  ... and {len(problems) - _MOST_PROBLEMS:,} more")
        listing = "\n".join(shown)
        super().__init__(f"the model is not supported, because {count} not:\n{listing}")

    def __reduce__(self) -> tuple[type[UnsupportedModelError], tuple[tuple[NodeProblem, ...]]]:
        return type(self), (self.problems,)

    def _cleaned(self, message: str) -> str:
        return printable_lines(message)


class ModelMismatchError(ModelError):
    """The imported network and ONNX Runtime disagree beyond rounding."""


class FalseClaimError(LippaError):
    """A finished run claims something that a replay does not confirm."""

    exit_code: ClassVar[int] = 1


class ContradictionError(LippaError):
    """A witness and a proof for one input: one of them is wrong, and it is a bug of ours."""

    exit_code: ClassVar[int] = 1


class GateError(LippaError):
    """A finished run that does not meet a condition that it was held against.

    Attributes:
        sentences: one for each condition that is not met.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, sentences: tuple[str, ...]) -> None:
        self.sentences = sentences
        super().__init__("\n".join(sentences))

    def __reduce__(self) -> tuple[type[GateError], tuple[tuple[str, ...]]]:
        return type(self), (self.sentences,)

    def _cleaned(self, message: str) -> str:
        return printable_lines(message)


class WorkerError(LippaError):
    """Worker processes that cannot be started, or memory that is used up."""

    exit_code: ClassVar[int] = 71


class InternalError(LippaError):
    """Something that onnx-lippa did not expect, and that is a bug of ours."""

    exit_code: ClassVar[int] = 70


def unexpected(error: BaseException) -> LippaError:
    """The error to raise or to report for an exception of another library."""
    if isinstance(error, LippaError):
        return error
    if isinstance(error, MemoryError):
        return WorkerError("memory is used up: go on with fewer --workers or a smaller batch")
    return InternalError(
        f"internal error ({describe(error)}): please report it as a bug of onnx-lippa"
    )


def unopenable(path: object, problem: Exception) -> InputError:
    """The error of a file that the system does not open."""
    reason = problem.strerror if isinstance(problem, OSError) else None
    return InputError(
        f"{path} cannot be opened ({reason or problem}): check its path and its permissions"
    )


def describe(error: BaseException) -> str:
    """An exception's kind and message on one line."""
    kind, message = type(error).__name__, " ".join(str(error).split())
    return f"{kind}: {message}" if message else kind
