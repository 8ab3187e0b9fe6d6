"""All checks of the project. ``.ci/run`` runs every one; developers run the ones they need.

``nox`` runs the quick ones, ``nox -l`` lists all, and ``nox -s tests -- tests/lp -k knapsack``
hands arguments on to pytest. Each session has an environment of its own. In one that has
everything (``pip install '.[dev]'``), ``nox --no-venv --no-install`` runs them right there.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False  # wheel runs on every Python that is there

THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Two test processes share two cores; with several threads each, they would wait for each other."""
PAPER = (
    "figure1", "figure2", "figure3", "figure4", "table1", "table2", "table3", "budgets",
    "distances",
)  # fmt: skip
"""What the session of that name makes: tables, and a picture of each but one."""
FROM_SDIST = (
    "tests/test_layout.py",
    "tests/data",
    "tests/exports",
    "tests/lp",
    "tests/test_witness.py",
)
"""The tests that are run from the source distribution."""


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, types, and which room may import which."""
    session.install(".[lint,test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """The quick tests."""
    session.install(".[test]")
    session.run("pytest", *session.posargs, env=THREADS)


@nox.session
def slow(session: nox.Session) -> None:
    """The tests marked slow, among them those of a Dask cluster."""
    session.install(".[cluster,test]")
    session.run("pytest", "-m", "slow", *session.posargs, env=THREADS)


@nox.session
def paper(session: nox.Session) -> None:
    """The quick form of the paper's figures and tables, on the networks of models/."""
    session.install(".[report]")
    out = Path(session.create_tmp()).resolve() / "paper"
    shutil.rmtree(out, ignore_errors=True)
    command = ("python", "-m", "tools.bench", "paper", "all", "models", "--quick", "--out")
    session.run(*command, str(out), env=THREADS)
    for name in PAPER:
        made = [path.suffix for path in out.glob(f"{name}*") if path.stat().st_size]
        wanted = {".csv", ".json"} | ({".png"} if name != "table1" else set())
        if not wanted <= set(made):
            session.error(f"{name} was not made whole: {sorted(made)}")


@nox.session
def coverage(session: nox.Session) -> None:
    """The coverage of the package by the quick tests. Counting lines takes two thirds more time."""
    session.install(".[coverage]")
    session.run("pytest", "--cov", "--cov-report=term:skip-covered", *session.posargs, env=THREADS)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, in build/site; a warning is an error."""
    session.install(".[docs]")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def examples(session: nox.Session) -> None:
    """The examples, and the classifiers of other libraries, with these libraries.

    PyTorch without CUDA is enough, where ``PIP_EXTRA_INDEX_URL`` names an index that has it.
    """
    session.install(".[examples,test]")
    tests = ("tests/docs", "tests/compat")
    session.run("pytest", "-m", "slow or not slow", *(session.posargs or tests), env=THREADS)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def wheel(session: nox.Session) -> None:
    """The wheel alone, in an empty environment: the first commands work without the clone."""
    folder = build(session, "--wheel")
    (path,) = folder.glob("*.whl")
    session.install(path)
    session.chdir(folder)  # away from the sources
    session.run("onnx-lippa", "--version")
    for command in ("attack", "certify", "audit"):
        out = str(folder / command)
        session.run("onnx-lippa", command, "--example", "--first", "20", "--quiet", "--out", out)
        session.run("onnx-lippa", "replay", out)


@nox.session
def slim(session: nox.Session) -> None:
    """A base install of less than 400 MB, without what OR-Tools names and nothing here imports."""
    session.install("--no-compile", ".")
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "pandas", "python-dateutil")
    session.chdir(session.create_tmp())
    code = "import shutil, sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(str(session.run("python", "-c", code, silent=True)).split()[-1])
    own = [path for path in site.rglob("*") if path.is_file() and "pip" not in path.parts]
    size = sum(path.stat().st_size for path in own) / 1e6
    session.log(f"{size:.0f} MB")
    if size > 400:
        session.error("a base install is larger than 400 MB: see docs/dependencies.md")
    session.run("onnx-lippa", "audit", "--example", "--first", "20")


def build(session: nox.Session, kind: str) -> Path:
    """Builds a distribution of this kind; returns its folder."""
    session.install("build")
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    session.run("python", "-m", "build", kind, "--outdir", str(folder), ".", silent=True)
    return folder


@nox.session
def distribution(session: nox.Session) -> None:
    """The source distribution, unpacked and installed: its commands, and some of its tests."""
    folder = build(session, "--sdist")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    root = folder / archive.name.removesuffix(".tar.gz")
    session.install(f"{root}[test]")
    session.chdir(root)
    session.run("pytest", *(session.posargs or FROM_SDIST), env=THREADS)
    session.chdir(folder)  # away from the sources: the command is the installed one
    model = str(root / "models" / "digits_mlp.onnx")
    for command in ("attack", "audit"):
        out = str(folder / command)
        session.run("onnx-lippa", command, model, "--eps", "0.05", "--quiet", "--out", out)
        session.run("onnx-lippa", "replay", out)
