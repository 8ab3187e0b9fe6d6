"""The LPStep's interface: LP(b, t) of the paper, eq. (12), in two modes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending
from onnx_lippa.ir.network import Network
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solver import Solver
from onnx_lippa.spec import Conjunction, InputSet


@dataclass(frozen=True)
class Optimum:
    """What an LPStep found.

    Attributes:
        ending: OPTIMAL, or why there is no optimum. In distance mode INFEASIBLE means that the
            region holds no unsafe input; in margin mode it cannot happen but by rounding.
        x: (d,) the optimal input, on faces of the region as a rule (empty unless optimal).
        margin: margin of the disjunct there, by the region's own affine map.
        distance: distance to the centre.
        rows: region faces that were given to the solver.
        solves: programs solved; 0 where the closed form sufficed.
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
    """LPSteps for one question. What one step learns makes the next one faster."""

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
    """Opens a session for every question, each from scratch.

    Sessions share nothing, so an answer does not depend on what was asked before it.

    Args:
        network: the network.
        solver: solves the programs.
    """

    name: ClassVar[str]

    def __init__(self, network: Network, solver: Solver) -> None:
        self.network = network
        self.solver = solver

    @abstractmethod
    def begin(self, question: InputSet) -> EngineSession:
        """A session for one set of inputs."""
