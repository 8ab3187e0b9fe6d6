"""What becomes of random graphs in onnx_lippa: a table of outcomes, to hunt faults with."""

from __future__ import annotations

import re
import traceback
import warnings
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import onnx

from onnx_lippa.errors import LippaError, ModelMismatchError, UnsupportedModelError
from tests.support.graphs import load_model
from tests.support.properties import PROPERTIES
from tests.support.random_graphs.shrink import shrunk

_SHOWN = 6
"""Seeds that are named for an outcome, those of the smallest graphs."""


@dataclass(frozen=True)
class Outcome:
    """What became of one graph.

    Attributes:
        kind: ok, refused, mismatch, or the property that does not hold.
        reasons: what is said about it, without the numbers and names of the one graph.
    """

    kind: str
    reasons: tuple[str, ...] = ("",)

    def alike(self, other: Outcome) -> bool:
        """Whether the other is of the same kind and has a reason in common."""
        return self.kind == other.kind and not {*map(_start, self.reasons)}.isdisjoint(
            map(_start, other.reasons)
        )


@dataclass
class Table:
    """How often there was which outcome, and for which seeds."""

    seeds: dict[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    count: int = 0

    def add(self, seed: int, nodes: int, outcome: Outcome) -> None:
        """Notes the outcome of a seed whose graph has some nodes."""
        self.count += 1
        for reason in set(outcome.reasons):
            self.seeds[outcome.kind, reason].append((nodes, seed))

    def __str__(self) -> str:
        lines = [f"{self.count} graphs"]
        order = sorted(self.seeds.items(), key=lambda item: (item[0][0], -len(item[1])))
        for (kind, reason), found in order:
            examples = " ".join(str(seed) for _, seed in sorted(found)[:_SHOWN])
            lines.append(f"{len(found):6} {kind:22} {reason}")
            if kind != "ok":
                lines.append(f"{'':29} seeds {examples}")
        return "\n".join(lines)


def outcome(model: onnx.ModelProto) -> Outcome:
    """Loads a graph and holds it against all properties."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            loaded = load_model(model)
        except UnsupportedModelError as error:
            return Outcome(
                "refused",
                tuple(f"{problem.op}: {_general(problem.reason)}" for problem in error.problems),
            )
        except ModelMismatchError as error:
            return Outcome("mismatch", (_general(str(error)),))
        except LippaError as error:
            return Outcome("refused", (_general(str(error)),))
        except Exception as error:  # noqa: BLE001  # what it is, is the finding
            return Outcome("crash", (_where(error),))
        for name, holds in PROPERTIES.items():
            try:
                holds(loaded)
            except Exception as error:  # noqa: BLE001  # see above
                return Outcome(name, (_where(error),))
    return Outcome("ok")


def outcomes(graphs: Iterable[tuple[int, onnx.ModelProto]]) -> Table:
    """The table of some graphs, each with its seed; an interrupt ends it early."""
    table = Table()
    with suppress(KeyboardInterrupt):
        for seed, model in graphs:
            table.add(seed, len(model.graph.node), outcome(model))
    return table


def shrunk_by_outcome(model: onnx.ModelProto) -> onnx.ModelProto:
    """A small graph with the outcome of a large one."""
    mine = outcome(model)
    return shrunk(model, lambda smaller: mine.alike(outcome(smaller)))


def _start(reason: str) -> str:
    """A reason up to where it tells of single steps."""
    return reason.split("#", maxsplit=1)[0][:80]


def _general(text: str) -> str:
    """A message with the numbers and names of the one graph taken out."""
    text = re.sub(r"'[^']*'", "'*'", " ".join(text.split()))
    return re.sub(r"\d[\d.e+-]*", "#", text)[:200]


def _where(error: Exception) -> str:
    """An error with the line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/onnx_lippa/" in f.filename or "/tests/" in f.filename] or frames
    last = ours[-1]
    place = "/".join(last.filename.split("/")[-2:])
    return f"{type(error).__name__} at {place}:{last.lineno}: {_general(str(error))}"
