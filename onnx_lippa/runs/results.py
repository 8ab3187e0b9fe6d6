"""The results of a run, those of a curve, and the events on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, final, overload

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.method import Finished, Improved
from onnx_lippa.runs.identity import Identity
from onnx_lippa.runs.inputs import RunInputs
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.summary import Summary, curve_text, summary_html, summary_text
from onnx_lippa.spec import Specification
from onnx_lippa.witness import Effort, Result, Verdict

if TYPE_CHECKING:
    import pandas


@final
@dataclass(frozen=True, repr=False)
class Results(Sequence[Result]):
    """The results of an attack, a certificate or an audit, one for each input.

    A run that was interrupted has results of the inputs that were finished; ``indices`` says which.

    Attributes:
        per_input: (n,) the result of each input, in the order of their indices.
        figures: the summary of the run, the content of ``summary.json``.
        inputs: the clean inputs and their labels.
        input_shape: shape of one input.
        identity: everything that can change the results.
    """

    per_input: tuple[Result, ...]
    figures: Summary
    inputs: RunInputs
    input_shape: tuple[int, ...]
    identity: Identity

    def __len__(self) -> int:
        return len(self.per_input)

    @overload
    def __getitem__(self, place: int) -> Result: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Result, ...]: ...

    def __getitem__(self, place: int | slice) -> Result | tuple[Result, ...]:
        return self.per_input[place]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.per_input)

    def __repr__(self) -> str:
        counts, (lower, upper) = self.figures.counts, self.robust_error
        between = f"{lower:.2%}" if lower == upper else f"[{lower:.2%}, {upper:.2%}]"
        return (
            f"Results({self.figures.facts.method}: {len(self)} of "
            f"{self.figures.facts.requested} inputs, robust error {between}; "
            f"{counts.misclassified} misclassified, {counts.adversarial} adversarial, "
            f"{counts.robust} robust, {counts.unknown} unknown)"
        )

    def _repr_html_(self) -> str:
        """The table of figures, for notebooks."""
        return summary_html(self.figures)

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """(n,) indices of the inputs in the data."""
        return np.array([result.index for result in self.per_input], dtype=np.int64)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """(n,) the verdicts."""
        return tuple(result.verdict for result in self.per_input)

    @property
    def success(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the input is broken: misclassified, or with a witness."""
        return np.isfinite(self.distances)

    @property
    def distances(self) -> Float64:
        """(n,) distances of the witnesses, of scaled inputs if there is a ``scale``; 0 where the
        clean input is misclassified, infinite where nothing was found."""
        found = [
            result.witness.distance
            if result.witness is not None
            else (0.0 if result.verdict is Verdict.MISCLASSIFIED else np.inf)
            for result in self.per_input
        ]
        return np.array(found, dtype=np.float64)

    @property
    def distance_bounds(self) -> Float64:
        """(n,) lower bounds of the minimal distortion (:func:`minimal_distortion`); infinite where
        the domain holds no adversarial example."""
        return np.array([result.distance_bound for result in self.per_input], dtype=np.float64)

    @cached_property
    def adversarials(self) -> Floats:
        """(n, *input_shape) the witness where there is one, else the clean input."""
        points = np.array(self.inputs.rows(self.indices))
        for row, result in enumerate(self.per_input):
            if result.witness is not None:
                points[row] = result.witness.x
        return points.reshape(len(points), *self.input_shape)

    @property
    def robust_error(self) -> tuple[float, float]:
        """Lower and upper bound of the share of inputs that can be broken."""
        return self.figures.robust_error.lower, self.figures.robust_error.upper

    @property
    def clean_error(self) -> float:
        """Share of inputs that are misclassified."""
        return self.figures.clean_error

    def records(self) -> list[Record]:
        """The records of the inputs, the lines of ``results.jsonl``."""
        return [self.inputs.record(result) for result in self.per_input]

    def summary(self) -> str:
        """The table of figures that the command line prints."""
        return summary_text(self.figures)

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each input, with the fields of ``results.jsonl`` as columns."""
        import pandas  # noqa: PLC0415 - half a second that only this call needs

        names = [field.name for kind in (Record, Effort) for field in fields(kind)]
        rows = [record.as_json() | vars(record.effort) for record in self.records()]
        return pandas.DataFrame(rows, columns=[name for name in names if name != "effort"])


@final
@dataclass(frozen=True, repr=False)
class Curve(Sequence[Results]):
    """The results at several radii, in the order in which these were given.

    Attributes:
        per_radius: the results at each radius; an interrupted curve has those that were begun.
    """

    per_radius: tuple[Results, ...]

    def __len__(self) -> int:
        return len(self.per_radius)

    @overload
    def __getitem__(self, place: int) -> Results: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Results, ...]: ...

    def __getitem__(self, place: int | slice) -> Results | tuple[Results, ...]:
        return self.per_radius[place]

    def __repr__(self) -> str:
        listed = ", ".join(
            f"{eps:g}: [{one.robust_error[0]:.2%}, {one.robust_error[1]:.2%}]"
            for eps, one in zip(self.radii, self.per_radius, strict=True)
        )
        return f"Curve(robust error at {listed})"

    @property
    def radii(self) -> tuple[float, ...]:
        """The radii."""
        return tuple(float(str(one.figures.facts.features.eps)) for one in self.per_radius)

    def summary(self) -> str:
        """The table of figures that the command line prints."""
        return curve_text([one.figures for one in self.per_radius])

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each radius and input; the column ``eps`` holds the radius."""
        import pandas  # noqa: PLC0415 - half a second that only this call needs

        if not self.per_radius:
            return pandas.DataFrame()
        frames = [one.to_pandas() for one in self.per_radius]
        for eps, frame in zip(self.radii, frames, strict=True):
            frame.insert(0, "eps", eps)
        return pandas.concat(frames, ignore_index=True)


class InterruptedRun(KeyboardInterrupt):
    """A run was interrupted; what is finished is in ``results``, and on disk if it has a folder.

    Attributes:
        results: the results of the inputs that were finished.
    """

    def __init__(self, results: Results | Curve) -> None:
        super().__init__(repr(results))
        self.results = results


@dataclass(frozen=True)
class Started:
    """A run begins, at one radius.

    Attributes:
        specification: the specification of the run.
        inputs: number of inputs.
        known: results that need no work: resumed, or carried over from another radius.
    """

    specification: Specification
    inputs: int
    known: tuple[Result, ...]


@dataclass(frozen=True)
class Ended:
    """A run has ended, or was cut short.

    Attributes:
        results: the results of all inputs that are finished.
    """

    results: Results


Event: TypeAlias = Started | Improved | Finished | Ended
Listener: TypeAlias = Callable[[Event], None]
