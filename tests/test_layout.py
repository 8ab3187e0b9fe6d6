"""The shape of the package: public names, sizes of files, and who may import what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from inspect import ismodule
from pathlib import Path

import pytest

import onnx_lippa

PACKAGE = Path(onnx_lippa.__file__).parent
ROOT = PACKAGE.parent
DOCS = [f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")]
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.stat().st_size)
PUBLIC = [
    "Answer",
    "Answers",
    "AnswersEnded",
    "AnswersStarted",
    "Apgd",
    "Audit",
    "Bim",
    "BranchAndBound",
    "Change",
    "Check",
    "Comparison",
    "CarliniWagner",
    "BrendelBethge",
    "ContradictionError",
    "Curve",
    "DataOptions",
    "DeepFool",
    "Diagnosis",
    "Ended",
    "EventLog",
    "Fab",
    "FalseClaimError",
    "Fgsm",
    "Finding",
    "Finished",
    "GateError",
    "Improved",
    "InputError",
    "InstanceResult",
    "InterruptedList",
    "InterruptedRun",
    "InterruptedSearch",
    "Intervals",
    "LinearBounds",
    "LinearRegions",
    "Lippa",
    "LippaError",
    "LippaMip",
    "LoadLimits",
    "Mip",
    "Model",
    "ModelError",
    "ModelMismatchError",
    "PaperLippa",
    "Pgd",
    "Portfolio",
    "Preprocess",
    "Property",
    "Repeated",
    "Result",
    "Results",
    "Square",
    "Started",
    "Trace",
    "TracePoint",
    "UnsupportedModelError",
    "Verdict",
    "answer_instances",
    "attack",
    "audit",
    "certify",
    "check",
    "diff",
    "export",
    "doctor",
    "falsify",
    "gradient",
    "inspect",
    "load",
    "load_example",
    "minimal_distortion",
    "regions",
    "replay",
    "report",
    "rerun",
    "trace",
    "verify",
    "write_reports",
]
ONLY_IN = {
    "onnx": "onnx_io",
    "onnxruntime": "onnx_io",
    "google": "onnx_io",
    "ortools": "lp",
    "clarabel": "lp",
    "pytest": "pytest_plugin.py",
    "pyarrow": "data",
    "typer": "cli",
    "jinja2": "reports",
    "matplotlib": "reports",
    "markupsafe": "reports",
    "rich": "cli",
    "art": "compat",
    "eagerpy": "compat",
    "foolbox": "compat",
    "torch": "compat",
    "multiprocessing": "runs",
    "concurrent": "runs",
    "dask": "runs",
    "distributed": "runs",
}
"""Each of these is imported by one package only."""
ALLOWED = {
    *ONLY_IN,
    "PIL",
    "lazy_loader",
    "numpy",
    "pandas",
    "scipy",
    "threadpoolctl",
    "tomli_w",
    "typing_extensions",
    "onnx_lippa",
    *sys.stdlib_module_names,
}
"""Besides the standard library; PyTorch and its kin are extras of ``compat`` alone."""


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def syntax(path: Path) -> tuple[ast.Module, list[ast.AST]]:
    """The module that a file holds, and all its nodes."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    return module, list(ast.walk(module))


@cache
def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or further in."""
    found: set[str] = set()
    for part in syntax(path)[1]:
        if isinstance(part, ast.Import):
            found |= {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            assert part.level == 0, "relative import"
            found.add(part.module or "")
    return found


def test_public_names():
    listed = vars(onnx_lippa)["__all__"]
    functions = [name for name in listed if not ismodule(getattr(onnx_lippa, name))]
    assert sorted(functions) == sorted([*PUBLIC, "__version__"])
    assert set(PUBLIC) <= set(dir(onnx_lippa))
    for name in PUBLIC:
        assert getattr(onnx_lippa, name).__doc__


def test_public_names_of_packages_exist():
    """What a package lists is there, and documented."""
    for path in PACKAGE.rglob("__init__.py"):
        name = ".".join(("onnx_lippa", *path.parent.relative_to(PACKAGE).parts))
        __import__(name)
        module = sys.modules[name]
        assert module.__doc__, name
        listed = getattr(module, "__all__", [])
        assert len(set(listed)) == len(listed)
        assert listed == sorted(listed) or listed, name
        for public in listed:
            assert hasattr(module, public), f"{name}.{public}"


def test_length():
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 400, named(path)


def test_imports():
    for path in FILES:
        mine = path.relative_to(PACKAGE).parts[0]
        for module in imports(path):
            root = module.split(".")[0]
            assert root in ALLOWED, f"{named(path)}: {module} is not a dependency"
            assert ONLY_IN.get(root, mine) == mine, f"{named(path)} imports {module}"


def test_no_assert_and_no_machine_path():
    """User input is never checked by assert, and no file knows a machine."""
    for path in FILES:
        assert not any(isinstance(part, ast.Assert) for part in syntax(path)[1]), named(path)
        text = path.read_text(encoding="utf-8")
        for place in ("/work/", "/home/", "/tmp/", "/root/", "C:\\"):
            assert place not in text, named(path)


def test_no_wall_clock():
    """It may be set while a run goes on; limits and times need a clock that only goes on."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for clock in ("time.time(", "import time as", "from time import", "datetime.now"):
            assert clock not in text, named(path)


def test_documented():
    for path in FILES:
        assert ast.get_docstring(syntax(path)[0]), named(path)


def test_only_what_proves_makes_a_proof():
    """No other module writes ``ProvenBounds(...)``: no estimate is passed on as a proof."""
    makers = {
        "bounds/margins.py",  # over the tape of layers
        "bounds/proven.py",
        "bounds/dual/certificate.py",  # from multipliers
        "bounds/dual/weighted.py",  # of a sum of rows, of the largest of them
        "search/frontier.py",  # as stored before
    }
    found = {
        named(path)
        for path in FILES
        if "onnx_lippa.bounds.proven" in imports(path)
        for part in syntax(path)[1]
        if isinstance(part, ast.Call) and ast.unparse(part.func) == "ProvenBounds"
    }
    assert found == makers - {"bounds/proven.py"}


def test_marker_of_types():
    """Classifier ``Typing :: Typed`` needs the marker beside the package."""
    assert (PACKAGE / "py.typed").exists()


def test_names_that_do_not_exist_are_refused():
    with pytest.raises(AttributeError, match="No onnx_lippa attribute atack"):
        getattr(onnx_lippa, "atack")  # noqa: B009 - mypy knows that there is none


def test_importing_loads_nothing_heavy():
    """``import onnx_lippa`` and ``--help`` are quick: solvers and runtime come when needed."""
    script = (
        "import sys, onnx_lippa, onnx_lippa.cli.main\n"
        "print([m for m in ('numpy', 'scipy', 'onnx', 'onnxruntime', 'ortools') "
        "if m in sys.modules])\n"
        "onnx_lippa.load, onnx_lippa.lp"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_importing_does_not_start_pytorch_or_highspy():
    """``highspy`` and ``ortools`` cannot live in one process; PyTorch is never needed."""
    script = (
        "import sys, onnx_lippa, onnx_lippa.cli.main\n"
        "print([m for m in ('torch', 'highspy', 'tensorflow', 'jax') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
    assert ended.stderr == ""


def floors() -> list[list[str]]:
    """The contract of pyproject.toml, the lowest floor first."""
    written = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contract = written["tool"]["importlinter"]["contracts"][0]
    return [
        [room.strip().removeprefix("onnx_lippa.") for room in re.split("[|:]", floor)]
        for floor in reversed(contract["layers"])
    ]


def test_every_room_has_a_floor():
    """And nothing imports a floor above its own, which lint-imports checks in finer detail."""
    floor = {room: height for height, rooms in enumerate(floors()) for room in rooms}
    entries = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in FILES}
    assert entries - {"__init__", "__main__"} == set(floor)
    for path in FILES:
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for module in imports(path):
            words = module.split(".")
            if own in floor and words[0] == "onnx_lippa" and len(words) > 1 and words[1] in floor:
                assert floor[words[1]] <= floor[own], f"{named(path)} imports {module}"


def test_sets_for_proofs_are_made_in_few_places():
    """What a search invents cannot reach a proof: proofs take StatedSet, and these make them."""
    made = {
        path.relative_to(PACKAGE).as_posix()
        for path in FILES
        for call in syntax(path)[1]
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "StatedSet"
    }
    assert made <= {
        "spec/problem.py",  # around a clean input and for the case of a property
        "bounds/stability.py",  # counts of units, which are no verdict
        "bounds/domain.py",  # Reach.searched, for attacks
    }


def test_tests_and_tools_share_only_support():
    """Tests import no tools and no test modules, tools no tests: ``tests/support`` is shared."""
    for path in sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]):
        own = path.relative_to(ROOT)
        room = ".".join(own.parent.parts)
        for module in imports(path):
            top = module.split(".")[0]
            if top in ("tests", "tools"):
                assert top == own.parts[0], f"{own} imports {module}"
            if top == "tests":
                assert module.startswith(("tests.support", room)), f"{own} imports {module}"
                assert not module.split(".")[-1].startswith("test_"), f"{own} imports {module}"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", *sorted(DOCS)])
def test_paths_in_the_documentation_exist(page):
    """A file or folder that a page names from the root of the clone is there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in re.findall(r"(?<![\w/.])(?:onnx_lippa|tests|tools|docs|models)/[\w./]*\w", text):
        assert (ROOT / path).exists(), path
