"""Stages: what an attack is made of, one file each. A plan is a sequence of them."""

from onnx_lippa.attacks.stages.algorithm1 import Algorithm1
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.enclose import Enclose
from onnx_lippa.attacks.stages.finish import FinishWithLp
from onnx_lippa.attacks.stages.polish import Polish
from onnx_lippa.attacks.stages.starts import Start
from onnx_lippa.attacks.stages.tighten import Tighten
from onnx_lippa.attacks.stages.walks import Walks

__all__ = ["Algorithm1", "Enclose", "FinishWithLp", "Polish", "Stage", "Start", "Tighten", "Walks"]
