"""The examples run from beginning to end, where their packages are installed (nox -s examples)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
NEEDS = {
    "sklearn_pipeline.py": ("sklearn", "skl2onnx"),
    "pytorch_normalisation.py": ("torch", "onnxscript"),
    "transfer.py": ("torch", "foolbox", "art"),
    "notebook.ipynb": ("nbclient", "ipykernel", "matplotlib", "pandas"),
}
SAYS = {
    "pytorch_normalisation.py": "adversarial examples mislead the PyTorch model",
    "transfer.py": "by foolbox: 0%",
}


def run(name, folder, *words):
    """Runs an example, or skips it where a package is missing."""
    missing = [package for package in NEEDS[name] if find_spec(package) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_example_is_listed_and_run():
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert found == set(NEEDS)
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"`{name}`" in listed for name in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_a_script_runs(tmp_path, name):
    ended = run(name, tmp_path, EXAMPLES / name)
    assert ended.returncode == 0, ended.stderr
    assert SAYS[name] in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("at_most", "code"), [("0", 4), ("1", 0)])
def test_the_gate_of_the_pipeline(tmp_path, at_most, code):
    name = "sklearn_pipeline.py"
    ended = run(name, tmp_path, EXAMPLES / name, "--at-most", at_most)
    assert ended.returncode == code, ended.stderr
    assert ("gate failed" in ended.stdout) == (code == 4)
    assert "changes with: " in ended.stdout, "an attack finds something"


NOTEBOOK = """
import json, sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=300).execute()
print(json.dumps(notebook))
"""


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    ended = run("notebook.ipynb", tmp_path, "-c", NOTEBOOK, EXAMPLES / "notebook.ipynb")
    assert ended.returncode == 0, ended.stderr
    cells = json.loads(ended.stdout.splitlines()[-1])["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") == 2
    assert kinds.count("text/html") >= 2, "a table of the run, and one of its inputs"


def test_the_notebook_is_stored_without_outputs():
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)
