"""Stages: what an attack is made of, one file each. A plan is a sequence of them."""

from onnx_lippa.attacks.stages.algorithm1 import Algorithm1
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.descend import Descend
from onnx_lippa.attacks.stages.enclose import Enclose
from onnx_lippa.attacks.stages.enumerate_grid import EnumerateGrid
from onnx_lippa.attacks.stages.finish import FinishWithLp
from onnx_lippa.attacks.stages.free_patterns import FreePatterns
from onnx_lippa.attacks.stages.grid_search import GridSearch
from onnx_lippa.attacks.stages.nearest_regions import NearestRegions
from onnx_lippa.attacks.stages.polish import Polish
from onnx_lippa.attacks.stages.scatter import MOST_FEATURES, Scatter
from onnx_lippa.attacks.stages.starts import Start
from onnx_lippa.attacks.stages.tighten import Tighten
from onnx_lippa.attacks.stages.walks import Walks

__all__ = [
    "MOST_FEATURES",
    "Algorithm1",
    "Descend",
    "Enclose",
    "EnumerateGrid",
    "FinishWithLp",
    "FreePatterns",
    "GridSearch",
    "NearestRegions",
    "Polish",
    "Scatter",
    "Stage",
    "Start",
    "Tighten",
    "Walks",
]
