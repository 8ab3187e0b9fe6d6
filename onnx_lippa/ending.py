"""How a computation ended: one closed enumeration for solvers, searches, proofs and attacks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

from onnx_lippa.errors import LippaError


class Ending(Enum):
    """How a computation ended. None of them is a verdict; only a replay or a proof gives one.

    The value is the name in files, the sentence what a person reads. Its subject, where it says
    "its", is the input. A computation may give a more precise text beside its ending.

    Attributes:
        sentence: what a person reads.
    """

    sentence: str

    def __new__(cls, value: str, sentence: str = "") -> Ending:
        """A member with its sentence."""
        ending = object.__new__(cls)
        ending._value_ = value
        ending.sentence = sentence
        return ending

    OPTIMAL = "optimal", "the optimum was found"
    INFEASIBLE = "infeasible", "the constraints contradict each other"

    PROVEN = "proven", "no allowed input is unsafe"
    UNSAFE = "unsafe", "an unsafe input was found"

    OUT_OF_TIME = "out of time", "its time was used up"
    OUT_OF_NODES = "out of nodes", "its nodes were used up"
    OUT_OF_MEMORY = "out of memory", "its memory was used up"
    ENOUGH_SOLUTIONS = "enough solutions", "as many solutions were found as were wanted"

    TIE = "tie", "its least margin is zero but for rounding"
    REFUSED = "refused", "a replay refused the candidate"
    REFUTED = "refuted", "a witness refutes a solver's bound"
    LOOSE_BOUNDS = "loose bounds", "its bounds leave a margin open"
    NO_BOUNDS = "no bounds", "an input has no bound"
    NO_RELAXATION = "no relaxation", "a layer has no linear relaxation"
    TOO_LARGE = "too large", "the network is too large for this method"
    UNSUPPORTED = "unsupported", "the method does not support it"
    FAILED = "failed", "no solver finished"

    CRASHED = "crashed", "its process ended unexpectedly"
    ERROR = "error", "an internal error stopped it"
    UNRECORDED = "unrecorded", "no reason was recorded"

    @property
    def is_limit(self) -> bool:
        """Whether a limit ended it, with more to be found beyond."""
        return self in _LIMITS


_LIMITS = frozenset(
    {Ending.OUT_OF_TIME, Ending.OUT_OF_NODES, Ending.OUT_OF_MEMORY, Ending.ENOUGH_SOLUTIONS}
)


@dataclass(frozen=True)
class Reason:
    """Why something stays open. As a string it is its sentence.

    Attributes:
        ending: how the computation ended.
        sentence: what a person reads; that of the ending where none is given.
    """

    ending: Ending
    sentence: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", self.sentence or self.ending.sentence)

    def __str__(self) -> str:
        return self.sentence


OUT_OF_TIME: Final = Reason(Ending.OUT_OF_TIME)
OUT_OF_NODES: Final = Reason(Ending.OUT_OF_NODES)
OUT_OF_MEMORY: Final = Reason(Ending.OUT_OF_MEMORY)
TIE: Final = Reason(Ending.TIE)


class StoppedError(LippaError):
    """A computation that stopped without a result; its message is the sentence of its reason."""

    ending: ClassVar[Ending]

    @property
    def reason(self) -> Reason:
        """Why the input stays open."""
        return Reason(self.ending, str(self))
