"""onnx-lippa: attack any exported piecewise-linear network with linear programs.

>>> import onnx_lippa
>>> model = onnx_lippa.load("models/digits_mlp.onnx")           # doctest: +SKIP
>>> result = onnx_lippa.attack(model, x, y, eps=0.05)           # doctest: +SKIP
>>> result.robust_error                                         # doctest: +SKIP
(0.31, 1.0)

A name is imported when it is first used (PEP 562), so that ``import onnx_lippa`` takes
milliseconds: solvers and runtime are loaded by what needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from onnx_lippa.version import __version__

if TYPE_CHECKING:
    from onnx_lippa.api.distances import minimal_distortion
    from onnx_lippa.api.models import gradient, regions
    from onnx_lippa.api.properties import answer_instances, falsify, verify
    from onnx_lippa.api.runs import attack, audit, certify
    from onnx_lippa.attacks import Lippa, LippaMip, Pgd
    from onnx_lippa.errors import (
        ContradictionError,
        FalseClaimError,
        InputError,
        LippaError,
        ModelError,
        ModelMismatchError,
        UnsupportedModelError,
    )
    from onnx_lippa.method import Finished, Improved
    from onnx_lippa.onnx_io import LoadLimits, Model, inspect, load
    from onnx_lippa.proofs import BranchAndBound, Intervals, LinearBounds, Mip
    from onnx_lippa.runs.answering import InterruptedList, InterruptedSearch
    from onnx_lippa.runs.audit import Audit
    from onnx_lippa.runs.finding import Answer, Finding
    from onnx_lippa.runs.instances import InstanceResult
    from onnx_lippa.runs.replay import replay
    from onnx_lippa.runs.results import (
        Curve,
        Ended,
        InterruptedRun,
        Results,
        Started,
    )
    from onnx_lippa.spec import Property
    from onnx_lippa.witness import Result, Verdict

__all__ = [
    "Answer",
    "Audit",
    "BranchAndBound",
    "ContradictionError",
    "Curve",
    "Ended",
    "FalseClaimError",
    "Finding",
    "Finished",
    "Improved",
    "InputError",
    "InstanceResult",
    "InterruptedList",
    "InterruptedRun",
    "InterruptedSearch",
    "Intervals",
    "LinearBounds",
    "Lippa",
    "LippaError",
    "LippaMip",
    "LoadLimits",
    "Mip",
    "Model",
    "ModelError",
    "ModelMismatchError",
    "Pgd",
    "Property",
    "Result",
    "Results",
    "Started",
    "UnsupportedModelError",
    "Verdict",
    "__version__",
    "answer_instances",
    "attack",
    "audit",
    "certify",
    "falsify",
    "gradient",
    "inspect",
    "load",
    "minimal_distortion",
    "regions",
    "replay",
    "verify",
]

_HOME: Final = {
    "onnx_lippa.api.distances": ("minimal_distortion",),
    "onnx_lippa.api.models": ("gradient", "regions"),
    "onnx_lippa.api.properties": ("answer_instances", "falsify", "verify"),
    "onnx_lippa.api.runs": ("attack", "audit", "certify"),
    "onnx_lippa.errors": (
        "ContradictionError",
        "FalseClaimError",
        "InputError",
        "LippaError",
        "ModelError",
        "ModelMismatchError",
        "UnsupportedModelError",
    ),
    "onnx_lippa.attacks": ("Lippa", "LippaMip", "Pgd"),
    "onnx_lippa.method": ("Finished", "Improved"),
    "onnx_lippa.onnx_io": ("LoadLimits", "Model", "inspect", "load"),
    "onnx_lippa.runs.results": (
        "Curve",
        "Ended",
        "InterruptedRun",
        "Results",
        "Started",
    ),
    "onnx_lippa.runs.finding": ("Answer", "Finding"),
    "onnx_lippa.runs.answering": ("InterruptedList", "InterruptedSearch"),
    "onnx_lippa.runs.audit": ("Audit",),
    "onnx_lippa.runs.instances": ("InstanceResult",),
    "onnx_lippa.runs.replay": ("replay",),
    "onnx_lippa.proofs": ("BranchAndBound", "Intervals", "LinearBounds", "Mip"),
    "onnx_lippa.spec": ("Property",),
    "onnx_lippa.witness": ("Result", "Verdict"),
}
"""Where each public name lives."""
_PACKAGES: Final = (
    "arrays",
    "attacks",
    "bounds",
    "data",
    "errors",
    "ir",
    "lp",
    "onnx_io",
    "proofs",
    "spec",
    "witness",
)
"""The parts that users import by themselves, there without a further ``import``."""
_MODULE_OF: Final = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    """Imports a public name, or a part of the package, at its first use.

    Raises:
        AttributeError: there is no such name.
    """
    if name in _PACKAGES:
        return import_module(f"onnx_lippa.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'onnx_lippa' has no attribute {name!r}")
    found: object = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
