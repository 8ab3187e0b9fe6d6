"""Attacks: values that hold their options, one file each, and the table of their names.

The schedule of an attack is made of stages (:mod:`onnx_lippa.attacks.stages`). A stage offers
candidates; the state of the input checks them and decides.
"""

from onnx_lippa.attacks.apgd import Apgd
from onnx_lippa.attacks.base import AttackMethod
from onnx_lippa.attacks.bb import BrendelBethge
from onnx_lippa.attacks.bim import Bim
from onnx_lippa.attacks.cw import CarliniWagner
from onnx_lippa.attacks.deepfool import DeepFool
from onnx_lippa.attacks.fab import Fab
from onnx_lippa.attacks.fgsm import Fgsm
from onnx_lippa.attacks.linear_regions import LinearRegions
from onnx_lippa.attacks.lippa import Lippa, LippaMip
from onnx_lippa.attacks.paper import PaperLippa
from onnx_lippa.attacks.pgd import Pgd
from onnx_lippa.attacks.portfolio import Portfolio
from onnx_lippa.attacks.restarted import LpAttack, RestartedAttack
from onnx_lippa.attacks.square import Square
from onnx_lippa.attacks.stages.random_search import BoxSample, sample_boxes
from onnx_lippa.attacks.stages.state import StepKind
from onnx_lippa.attacks.table import ATTACK_METHODS, make_attack, write_settings
from onnx_lippa.attacks.trace import Trace, TracePoint, trace_attack

__all__ = [
    "ATTACK_METHODS",
    "Apgd",
    "AttackMethod",
    "Bim",
    "BoxSample",
    "BrendelBethge",
    "CarliniWagner",
    "DeepFool",
    "Fab",
    "Fgsm",
    "LinearRegions",
    "Lippa",
    "LippaMip",
    "LpAttack",
    "PaperLippa",
    "Pgd",
    "Portfolio",
    "RestartedAttack",
    "Square",
    "StepKind",
    "Trace",
    "TracePoint",
    "make_attack",
    "sample_boxes",
    "trace_attack",
    "write_settings",
]
