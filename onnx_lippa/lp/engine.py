"""The interface of the LPStep, LP(b, t) of the paper's eq. (12), in two modes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

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


def add_epigraph(
    embedding: Embedding, functions: Float64, constants: Float64
) -> tuple[Embedding, Rows]:
    """``min τ`` with every function at most τ: the embedding with τ behind, and these rows.

    Args:
        embedding: the variables v; their cost is replaced.
        functions: (m, variables) coefficients of v.
        constants: (m,) constants.
    """
    tau = np.full(1, np.inf)
    wide = embedding.add_variables(-tau, tau)
    cost = np.append(np.zeros(embedding.count), 1.0)
    rows = np.hstack([functions, -np.ones((len(functions), 1))])
    return replace(wide, cost=cost), Rows.at_most(rows, -constants)


class EngineSession(ABC):
    """LPSteps for one input set. A step starts from what the one before it left."""

    @abstractmethod
    def least_margin(
        self, region: LinearRegion, disjunct: Conjunction, time_limit: float = np.inf
    ) -> Optimum:
        """Margin mode: ``min max_i (A_i f(x) - b_i)`` over region, ball and box."""

    @abstractmethod
    def least_distance(
        self,
        region: LinearRegion,
        disjunct: Conjunction,
        margin: float,
        time_limit: float = np.inf,
    ) -> Optimum:
        """Distance mode: ``min ||x - center||`` over region and box with margin <= -margin."""


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
