"""``onnx_lippa.doctor``: whether this machine has what runs need, each part tried."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.api.runs import attack, certify
from onnx_lippa.data.example import load_example
from onnx_lippa.ending import Ending
from onnx_lippa.errors import LippaError, describe
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import MIP_SOLVER_NAMES, SOLVER_NAMES, make_single
from onnx_lippa.runs.summary import versions
from onnx_lippa.runs.workers import count_cores
from onnx_lippa.spec import Rows
from onnx_lippa.witness import Verdict

_EXTRAS: Final = {
    "compat": ("torch", "foolbox", "art"),
    "images": ("PIL",),
    "report": ("jinja2", "matplotlib"),
    "tables": ("pyarrow",),
}
"""Modules of the optional extras."""
_OPTIONAL: Final = ("gurobi",)
"""Solvers that need more than the package."""
_START_SECONDS: Final = 60.0


@final
@dataclass(frozen=True)
class Finding:
    """One part and how it was found.

    Attributes:
        name: what was tried.
        works: whether it works.
        detail: what was found, or what is wrong.
        is_needed: whether runs need it.
    """

    name: str
    works: bool
    detail: str
    is_needed: bool = True


@final
@dataclass(frozen=True)
class Diagnosis:
    """What :func:`doctor` found.

    Attributes:
        findings: the parts, in the order in which they were tried.
    """

    findings: tuple[Finding, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether everything works that runs need."""
        return all(one.works or not one.is_needed for one in self.findings)

    def summary(self) -> str:
        """One line for each part, and the verdict."""
        width = max(len(one.name) for one in self.findings)
        lines = []
        for one in self.findings:
            mark = "ok" if one.works else "FAILS" if one.is_needed else "absent"
            lines.append(f"{mark:<6}  {one.name:<{width}}  {one.detail}")
        end = "everything that runs need works" if self.is_healthy else "something does not work"
        return "\n".join([*lines, end])

    def as_json(self) -> dict[str, Any]:
        """The diagnosis as plain JSON values."""
        return {"healthy": self.is_healthy, "findings": [vars(one) for one in self.findings]}


def doctor() -> Diagnosis:
    """Tries everything that runs need: solvers, processes, and an attack and a proof.

    It takes some seconds, writes nothing and needs no network.
    """
    found = [Finding(name, True, version) for name, version in versions().items()]
    found.append(Finding("cores", True, f"{count_cores()} of {os.cpu_count()} may be used"))
    found.append(_memory())
    for name in dict.fromkeys((*SOLVER_NAMES, *MIP_SOLVER_NAMES)):
        needed = name not in _OPTIONAL
        found.append(_try(f"solver {name}", partial(_solve, name), needed))
    found.append(_try("worker processes", _start))
    for extra, modules in _EXTRAS.items():
        missing = [one for one in modules if find_spec(one) is None]
        detail = f"pip install 'onnx-lippa[{extra}]'" if missing else ", ".join(modules)
        found.append(Finding(f"extra {extra}", not missing, detail, is_needed=False))
    found.append(_try("self-test", _attack_and_prove))
    return Diagnosis(tuple(found))


def _try(name: str, work: Callable[[], str], needed: bool = True) -> Finding:
    started = time.monotonic()
    try:
        detail = work()
    except LippaError as error:
        return Finding(name, False, str(error), needed)
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what is asked for
        return Finding(name, False, describe(error), needed)
    return Finding(name, True, f"{detail} in {time.monotonic() - started:.2f} s", needed)


def _memory() -> Finding:
    try:
        pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * size
    except (AttributeError, ValueError, OSError):
        return Finding("memory", False, "this system does not say", is_needed=False)
    return Finding("memory", True, f"{pages * size / 1e9:.1f} GB free of {total / 1e9:.1f} GB")


def _solve(name: str) -> str:
    """A program of two variables: the least of ``-x - 2 y`` where ``x + y <= 1``."""
    rows = Rows(sp.csr_array(np.ones((1, 2))), np.array([-np.inf]), np.array([1.0]))
    program = Program(np.array([-1.0, -2.0]), np.zeros(2), np.ones(2), rows)
    solution = make_single(name).open(program).solve(time_limit=10.0)
    if solution.ending is not Ending.OPTIMAL or abs(solution.objective + 2.0) > 1e-4:
        raise ValueError(f"it ends {solution.ending.value} {solution.detail}".strip())
    return "solves a program"


def _start() -> str:
    """Workers are new Python processes."""
    words = [sys.executable, "-c", "import onnx_lippa.onnx_io"]
    ended = subprocess.run(
        words, capture_output=True, text=True, timeout=_START_SECONDS, check=False
    )
    if ended.returncode:
        raise ValueError(f"a new process ends with code {ended.returncode}: {ended.stderr[-200:]}")
    return "a process starts"


def _attack_and_prove() -> str:
    """The bundled example: inputs that break in a large ball, and are proven in a small one."""
    model, x, y = load_example()
    found = attack(model, x[:3], y[:3], eps=0.3, workers=1)
    proven = certify(model, x[:3], y[:3], eps=0.001, workers=1)
    wrong = sum(one is not Verdict.ADVERSARIAL for one in found.verdicts)
    unproven = sum(one is not Verdict.ROBUST for one in proven.verdicts)
    if wrong or unproven:
        raise ValueError(f"{wrong} inputs are not broken and {unproven} not proven: report this")
    return "3 inputs broken, 3 proven"
