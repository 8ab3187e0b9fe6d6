"""Tests that need files beside the checkout: skipped without them, and never where they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

NEEDING = """
import pytest
from tests.support.shared_files import each_shared_file, needs_shared

@needs_shared("no such folder")
def test_of_a_folder(): ...

@each_shared_file("no such folder/*.onnx")
def test_of_each_file(path): ...

def test_of_something_else():
    pytest.skip("POSIX signals")
"""


@pytest.mark.parametrize("is_here", [False, True])
def test_a_test_without_its_files_fails_where_the_folder_is(tmp_path, is_here):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "pytest.ini").touch()
    (checkout / "test_needing.py").write_text(NEEDING)
    if is_here:
        (tmp_path / "shared").mkdir()
    pytest_with_hooks = [sys.executable, "-m", "pytest", "-p", "tests.support.shared_files"]
    done = subprocess.run(
        [*pytest_with_hooks, "-p", "no:cacheprovider"],
        cwd=checkout, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == is_here, done.stdout
    assert ("1 skipped, 2 errors" if is_here else "3 skipped") in done.stdout
    assert ("skipped, though ../shared is there" in done.stdout) is is_here
