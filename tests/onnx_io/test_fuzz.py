"""Damaged and random models are refused with a reason, or imported rightly; nothing else."""

import json
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

pytest.importorskip("resource", reason="the limit on memory needs a Unix system")

COUNT = 250


@pytest.mark.parametrize(("kind", "loaded"), [("bytes", 4), ("graph", 8), ("random", 4)])
def test_damaged_models(kind, loaded):
    """At least ``loaded`` of them must come through, or the test has lost its point."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.damaged_models", kind, "0", str(COUNT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"the process died at {lines[-1:]}: {run.stderr[-2000:]}"
    outcomes = {line["seed"]: line["outcome"] for line in lines if "outcome" in line}
    assert len(outcomes) == COUNT
    wrong = {seed: o for seed, o in outcomes.items() if o not in ("loaded", "refused")}
    assert not wrong, json.dumps(wrong, indent=1)
    assert sum(outcome == "loaded" for outcome in outcomes.values()) >= loaded
