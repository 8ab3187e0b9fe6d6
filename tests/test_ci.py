"""The action, the example workflows and the hooks: valid, and their steps run in a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import junitparser
import pytest
from ruamel.yaml import YAML

from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.paths import ROOT

GITHUB, GITLAB = ROOT / "docs" / "ci" / "github.yml", ROOT / "docs" / "ci" / "gitlab.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
OTHERS = {
    "actions/cache/restore", "actions/cache/save", "actions/checkout", "actions/setup-python",
    "actions/upload-artifact", "github/codeql-action/upload-sarif",
}  # fmt: skip
"""Actions of others, which need GitHub."""


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-actions", ROOT / "action.yml"),
        ("vendor.github-workflows", GITHUB),
        ("vendor.gitlab-ci", GITLAB),
    ],
)
def test_files_are_what_their_consumers_read(schema, path):
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@dataclass
class Runner:
    """Runs the steps of a workflow and of our own action as GitHub does, in a shell.

    Attributes:
        folder: the checkout.
        ref: the branch.
        outputs: outputs of steps, as expressions name them.
        installed: what pip was told to install.
    """

    folder: Path
    ref: str = "refs/heads/main"
    outputs: dict[str, str] = field(default_factory=dict)

    def run_job(self, job: Mapping[str, Any]) -> list[int]:
        """The exit codes of the steps that ran here."""
        codes: list[int] = []
        for step in job["steps"]:
            failed = any(codes)
            wanted = step.get("if", "success()")
            if wanted == "github.ref == 'refs/heads/main'":
                wanted = "success()" if self.ref == "refs/heads/main" else "false"
            assert wanted in ("success()", "always()", "false"), wanted
            if wanted == "false" or (failed and wanted != "always()"):
                continue
            codes += self.run_step(step, {})
        return codes

    def run_step(self, step: Mapping[str, Any], known: Mapping[str, str]) -> list[int]:
        if "run" in step:
            return [self.run_shell(step, known)]
        name = step["uses"].split("@")[0]
        if name == "OWNER/onnx-lippa":
            return self.run_action(step)
        assert name in OTHERS
        for value in step.get("with", {}).values():
            self.fill(str(value), {**known, "github.run_id": "7"})
        return []

    def run_action(self, step: Mapping[str, Any]) -> list[int]:
        action = load(ROOT / "action.yml")
        given = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
        assert set(step["with"]) <= set(given), "inputs that the action does not have"
        given |= {name: str(value) for name, value in step["with"].items()}
        known = {f"inputs.{name}": value for name, value in given.items()}
        codes = []
        for own in action["runs"]["steps"]:
            codes += self.run_step(own, known)
            if any(codes):
                break
        for name, one in action["outputs"].items():
            self.outputs[f"steps.{step['id']}.outputs.{name}"] = self.fill(one["value"], known)
        return codes

    def fill(self, text: str, known: Mapping[str, str]) -> str:
        return EXPRESSION.sub(lambda found: {**known, **self.outputs}[found[1]], text)

    def run_shell(self, step: Mapping[str, Any], known: Mapping[str, str]) -> int:
        assert "${{" not in step["run"], "an expression in a script can bring in another script"
        files = {name: self.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        files["GITHUB_OUTPUT"].write_text("")
        variables = {name: self.fill(str(v), known) for name, v in step.get("env", {}).items()}
        variables |= {name: str(path) for name, path in files.items()}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder, check=False, capture_output=True, text=True,
            env=os.environ | variables | {"PATH": path, "GITHUB_ACTION_PATH": str(ROOT),
                                          "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.said = ended.stderr
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            self.outputs[f"steps.{step.get('id')}.outputs.{name}"] = value
        return ended.returncode


@pytest.fixture
def checkout(tmp_path):
    """A repository with a model and data; ``pip install`` is written down and not done."""
    shutil.copy(DIGITS, tmp_path / "model.onnx")
    shutil.copy(DIGITS_DATA, tmp_path / "data.npz")
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "python": f'if [ "$2" = pip ]; then echo "$@" >> {tmp_path}/installed; '
        f'else exec {sys.executable} "$@"; fi',
        "pip": f'echo "pip $@" >> {tmp_path}/installed',
        "onnx-lippa": f'exec {sys.executable} -m onnx_lippa "$@"',
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    return tmp_path


def with_inputs(workflow: Any, **inputs: str) -> Any:
    """The job of a workflow, with other inputs of our action."""
    job = workflow["jobs"]["audit"]
    (step,) = [one for one in job["steps"] if one.get("id") == "audit"]
    step["with"] |= {name.replace("_", "-"): value for name, value in inputs.items()}
    return job


@pytest.mark.slow
def test_the_workflow_step_by_step(checkout):
    """It passes, keeps a baseline, passes against it, and fails where a gate fails."""
    first = Runner(checkout)
    assert first.run_job(with_inputs(load(GITHUB))) == [0, 0, 0]
    assert (checkout / "installed").read_text() == f"-m pip install --quiet {ROOT}\n"
    assert (checkout / "baseline" / "run" / "results.jsonl").exists()
    assert "All gates passed" in (checkout / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
    sarif = checkout / first.outputs["steps.audit.outputs.sarif"]
    assert sarif.exists()
    (suite, gates) = junitparser.JUnitXml.fromfile(
        str(checkout / first.outputs["steps.audit.outputs.junit"])
    )
    assert (suite.tests, gates.tests, gates.failures) == (20, 2, 0)

    shutil.rmtree(checkout / "onnx-lippa-results")
    again = Runner(checkout, "refs/pull/1/merge")
    assert again.run_job(with_inputs(load(GITHUB))) == [0, 0], "no baseline from a pull request"
    summary = (checkout / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
    assert "none of 20 inputs is worse than in run" in summary

    shutil.rmtree(checkout / "onnx-lippa-results")
    stricter = Runner(checkout)
    job = with_inputs(load(GITHUB), fail_over="robust_error=0.1", fail_on_unknown="true",
                      fail_under="robust=5", install="onnx-lippa==0.1.0")  # fmt: skip
    assert stricter.run_job(job) == [0, 4]
    assert "gate failed: robust_error is 15.00%, over 10.00% by 5.00" in stricter.said
    assert stricter.outputs["steps.audit.outputs.code"] == "4"
    assert (checkout / "installed").read_text().endswith("--quiet onnx-lippa==0.1.0\n")
    assert "1 of 4 gates failed" in (checkout / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")


def test_inputs_of_the_action_are_no_script(checkout):
    job = with_inputs(load(GITHUB), model="model.onnx; touch stolen", fail_over="$(touch stolen)")
    assert Runner(checkout).run_job(job) == [0, 2]
    assert not (checkout / "stolen").exists()


@pytest.mark.slow
def test_the_job_of_gitlab(checkout):
    script = load(GITLAB)["robustness"]["script"]
    runner = Runner(checkout)
    assert [runner.run_shell({"run": line}, {}) for line in script] == [0, 0]
    assert (checkout / "installed").read_text() == "pip install --quiet onnx-lippa\n"
    assert len(junitparser.JUnitXml.fromfile(str(checkout / "junit.xml"))) == 2


def pre_commit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PRE_COMMIT_HOME": str(folder / "home"),
    }
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *words], cwd=folder, env=os.environ | variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_hooks(checkout):
    """The hooks of our definition run where a model has changed, and fail with the gate's line."""
    valid = pre_commit(checkout, "validate-manifest", str(HOOKS))
    assert valid.returncode == 0, valid.stdout
    hooks = {hook["id"]: hook for hook in load(HOOKS)}
    subprocess.run(["git", "init", "-q", "."], cwd=checkout, check=True)
    subprocess.run(["git", "add", "model.onnx", "data.npz"], cwd=checkout, check=True)
    for name, limit, code in (
        ("onnx-lippa-audit", "0.4", 0),
        ("onnx-lippa-audit", "0.1", 1),
        ("onnx-lippa-attack", "0.1", 1),
    ):
        # Installed here, where pre-commit would build an environment.
        hook = hooks[name] | {"language": "system"}
        hook["args"] = ["model.onnx", "data.npz", "--eps", "0.05", "--first", "20",
                        "--fail-over", f"robust_error.lower={limit}"]  # fmt: skip
        config = {"repos": [{"repo": "local", "hooks": [hook]}]}
        with (checkout / ".pre-commit-config.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(config, file)
        subprocess.run(["git", "add", ".pre-commit-config.yaml"], cwd=checkout, check=True)
        ended = pre_commit(checkout, "run", "--all-files")
        assert ended.returncode == code, ended.stdout
        assert ("gate failed: robust_error" in ended.stdout) == bool(code)
    subprocess.run(["git", "rm", "-q", "--cached", "model.onnx"], cwd=checkout, check=True)
    assert "(no files to check)" in pre_commit(checkout, "run", "--all-files").stdout
