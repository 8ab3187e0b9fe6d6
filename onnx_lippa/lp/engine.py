"""The interface of the LPStep, LP(b, t) of the paper's eq. (12), in two modes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.ir.network import Network
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solver import Solver
from onnx_lippa.spec import Conjunction, Embedding, InputSet, Rows


@dataclass(frozen=True)
class Optimum:
    """The result of an LPStep.

    Attributes:
        ending: OPTIMAL, or why there is no optimum. INFEASIBLE in distance mode means that the
            region has no unsafe input; in margin mode it only occurs by rounding.
        x: (d,) the optimal input, usually on faces of the region; empty unless OPTIMAL.
        margin: margin of the disjunct there, by the affine map of the region.
        distance: distance to the centre.
        rows: faces of the region in the program.
        solves: programs solved; 0 where the optimum has a closed form.
    """

    ending: Ending
    x: Float64
    margin: float = np.nan
    distance: float = np.nan
    rows: int = 0
    solves: int = 0

    @property
    def found(self) -> bool:
        """Whether there is an optimum."""
        return self.ending is Ending.OPTIMAL


class EngineSession(ABC):
    """LPSteps for one input set. A step starts from what the one before it left.

    Args:
        inputs: the input set.
    """

    def __init__(self, inputs: InputSet) -> None:
        self._inputs = inputs

    @final
    def least_margin(
        self, region: LinearRegion, disjunct: Conjunction, time_limit: float = np.inf
    ) -> Optimum:
        """Margin mode: ``min max_i (A_i f(x) - b_i)`` over region, ball and box."""
        functions = self._functions(region, disjunct)
        if len(functions) == 1 and self._inputs.rows is None:
            optimum = self._closed_form(region, disjunct, functions[0])
            if optimum is not None:
                return optimum
        embedding = self._embed(region, self._inputs.ball())
        over_v = functions @ embedding.matrix
        if len(functions) == 1:
            program = replace(embedding, cost=over_v[0])
            return self._solve(region, disjunct, program, None, time_limit)
        # min τ with every margin at most τ: τ is one more variable, with cost 1.
        tau = np.full(1, np.inf)
        lifted = replace(
            embedding.add_variables(-tau, tau), cost=np.append(np.zeros(embedding.count), 1.0)
        )
        below = np.hstack([over_v, -np.ones((len(over_v), 1))])
        rows = Rows.at_most(below, -self._at_center(region, disjunct))
        return self._solve(region, disjunct, lifted, rows, time_limit)

    @final
    def least_distance(
        self,
        region: LinearRegion,
        disjunct: Conjunction,
        margin: float,
        time_limit: float = np.inf,
        cutoff: float = np.inf,
    ) -> Optimum:
        """Distance mode: ``min ||x - center||`` over region and box with margin <= -margin.

        Args:
            region: the region.
            disjunct: the disjunct.
            margin: the margin, at least 0.
            time_limit: seconds.
            cutoff: the distance below which an optimum is of use. The program is given up, as
                INFEASIBLE, as soon as a lower bound of its cost reaches it.
        """
        embedding = self._embed(region, self._inputs.epigraph())
        unsafe = Rows.at_most(
            self._functions(region, disjunct) @ embedding.matrix,
            -margin - self._at_center(region, disjunct),
        )
        return self._solve(region, disjunct, embedding, unsafe, time_limit, cutoff)

    @abstractmethod
    def _functions(self, region: LinearRegion, disjunct: Conjunction) -> Float64:
        """Coefficients (rows, features) of the disjunct's rows, for the features of `_embed`."""

    @abstractmethod
    def _at_center(self, region: LinearRegion, disjunct: Conjunction) -> Float64:
        """(rows,) the values of these functions at the centre."""

    def _closed_form(
        self, region: LinearRegion, disjunct: Conjunction, cost: Float64
    ) -> Optimum | None:
        """The optimum of a single function, where it has a closed form."""
        del region, disjunct, cost
        return None

    def _embed(self, region: LinearRegion, embedding: Embedding) -> Embedding:
        """The embedding of all features of the program, the inputs first."""
        del region
        return embedding

    @abstractmethod
    def _solve(
        self,
        region: LinearRegion,
        disjunct: Conjunction,
        embedding: Embedding,
        extra: Rows | None,
        time_limit: float,
        cutoff: float = np.inf,
    ) -> Optimum:
        """The least cost of an embedding over the region and further rows, None for a margin.

        Args:
            region: the region.
            disjunct: the disjunct.
            embedding: the embedding.
            extra: the further rows.
            time_limit: seconds.
            cutoff: the distance that an optimum of use is below.
        """


class RegionEngine(ABC):
    """Opens sessions. They share nothing, so that results do not depend on their order.

    Args:
        network: the network.
        solver: solver of the programs.
    """

    name: ClassVar[str]

    def __init__(self, network: Network, solver: Solver) -> None:
        self.network = network
        self.solver = solver

    @abstractmethod
    def begin(self, inputs: InputSet) -> EngineSession:
        """Opens a session for one input set."""
