"""``--config``: options from a file, and the file that every run writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import onnx_lippa
from onnx_lippa.cli.arguments.config import CONFIGURED, options_of, schema
from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.commands import FEW, assert_refused, command, contents
from tests.support.paths import ROOT

FILE = """
model = "model.onnx"
data = "inputs.npz"
first = 4
norm = "l2"

[attack]
eps = {eps}
restarts = 1
gradient-steps = 15
lp-steps = 3

[audit]
eps = 0.001
budget = 60
"""


@pytest.fixture
def folder(tmp_path):
    shutil.copy(DIGITS, tmp_path / "model.onnx")
    shutil.copy(DIGITS_DATA, tmp_path / "inputs.npz")
    (tmp_path / "run.toml").write_text(FILE.format(eps=0.5))
    return tmp_path


def figures(ended):
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def config_of(run):
    return tomllib.loads((run / "config.toml").read_text())


def test_a_file_states_options_and_the_command_line_wins(folder):
    config = ("--config", folder / "run.toml", "--json")
    ended = figures(command("attack", *config))
    assert (ended["eps"], ended["norm"], ended["requested"]) == (0.5, "l2", 4)
    ended = figures(command("attack", *config, "--eps", "1/4", "--first", 2))
    assert (ended["eps"], ended["norm"], ended["requested"]) == (0.25, "l2", 2)
    ended = figures(command("audit", *config))
    assert (ended["eps"], ended["method"]) == (0.001, "audit")
    ended = figures(command("attack", DIGITS, DIGITS_DATA, *config))
    assert ended["model"].endswith("digits_mlp.onnx")


@pytest.mark.parametrize(
    ("eps", "found"),
    [("[0.25, 0.5]", [0.25, 0.5]), ('"1/4,0.5"', [0.25, 0.5]), ("[1e-3, 1]", [0.001, 1.0])],
)
def test_a_list_of_radii_is_a_curve(folder, eps, found):
    (folder / "run.toml").write_text(FILE.format(eps=eps))
    ended = figures(command("attack", "--config", folder / "run.toml", "--json"))
    assert [one["eps"] for one in ended["curve"]] == found


def test_values_of_features_are_a_list_or_a_file_beside(folder):
    scale = np.linspace(0.1, 1, 64)
    np.save(folder / "scale.npy", scale)
    written: list[object] = []
    for text in ('"scale.npy"', json.dumps(scale.tolist())):
        (folder / "run.toml").write_text(f"scale = {text}\n" + FILE.format(eps=0.5))
        out = folder / str(len(written))
        ended = command("attack", "--config", folder / "run.toml", "--out", out, "--quiet")
        assert (ended.code, ended.err) == (0, "")
        written.append(json.loads((out / "run.json").read_text())["scale"])
    assert written == [scale.tolist()] * 2


def test_features_by_name(folder):
    """In a table, and lists of names; as on the command line."""
    names = [f"pixel{i}" for i in range(64)]
    (folder / "names.toml").write_text(
        f"features = {json.dumps(names)}\nfixed = ['pixel3', 'pixel9']\n"
        "eps = {pixel1 = 0.5, '*' = 0.25}\nmodel = 'model.onnx'\nfirst = 2\n"
    )
    words = ("--fixed", "pixel3,pixel9", "--eps", "pixel1=0.5,*=0.25", "--first", 2, "--features")
    runs = (
        ("attack", "--config", folder / "names.toml"),
        ("attack", folder / "model.onnx", *words, ",".join(names)),
    )
    found = []
    for number, run in enumerate(runs):
        ended = command(*run, *FEW, "--out", folder / str(number), "--quiet")
        assert (ended.code, ended.err) == (0, "")
        found.append(json.loads((folder / str(number) / "run.json").read_text()))
    assert found[0]["fixed"] == found[1]["fixed"] == [3, 9]
    assert found[0]["eps"] == found[1]["eps"]


REFUSED = {
    "unknown": ("fist = 3", "line 1: 'fist' is no option of any command: write first"),
    "underscore": ("[attack]\nlp_steps = 3", "line 2: 'lp_steps' in [attack] is no option of "
                   "attack: write lp-steps"),
    "nothing like it": ("zzz = 3", "'zzz' is no option of any command; there are"),
    "table": ("\n[atack]\neps = 1", "line 2: 'atack' is no option of any command: write attack"),
    "no table": ("attack = 3", "line 1: 'attack' is no table: write [attack]"),
    "other command": ("[certify]\n\n# text\nbudget = 3", "line 4: 'budget' in [certify]"),
    "dotted": ("certify.budget = 3", "line 1: 'budget' in [certify]"),
    "type": ("first = 'many'", "line 1: 'first' is 'many': give a whole number"),
    "fraction": ("seed = 0.5", "line 1: 'seed' is 0.5: give a whole number"),
    "truth": ("quiet = 1", "'quiet' is 1: give true or false"),
    "no truth": ("seed = true", "'seed' is true: give a whole number"),
    "text": ("norm = 2", "'norm' is 2: give text"),
    "path": ("model = 1", "'model' is 1: give text with a path"),
    "numbers": ("eps = ['a']", "'eps' is ['a']: give a number, a list of numbers, "
                "numbers by feature, or text"),
    "no numbers": ("eps = []", "'eps' is []: give a number, a list of numbers"),
    "no feature": ("lower = {}", "'lower' is a table: give a number, a list of numbers"),
    "a truth in a list": ("indices = [0, true]", "'indices' is [0, true]: give a number, a list"),
    "both": ("fixed = [1, 'age']", "give a number, a list of numbers or names, or text"),
    "numbers for names": ("classes = [1, 2]", "'classes' is [1, 2]: give text, or a list of names"),
    "TOML": ("eps = 0.1\nnorm =", "is no TOML: "),
    "value": ("norm = 'l7'", "there is no norm 'l7'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(folder, name):
    text, says = REFUSED[name]
    path = folder / "bad.toml"
    path.write_text(text + "\n")
    model = () if name == "path" else (folder / "model.onnx",)
    ended = command("attack", *model, "--config", path, "--out", folder / "new")
    assert_refused(ended, 2, says)
    assert not (folder / "new").exists()


def test_a_file_that_is_not_there(tmp_path):
    assert_refused(command("attack", "--config", tmp_path / "no.toml"), 2, "no.toml cannot be read")


def test_a_run_writes_what_repeats_it(folder):
    """Into its folder, whatever was stated where; and that file gives the same results."""
    out, again = folder / "out", folder / "again"
    words = ("attack", "--config", folder / "run.toml", "--seed", 3, "--quiet")
    assert command(*words, "--out", out).code == 0
    stated = config_of(out)["attack"]
    assert stated["model"] == str(folder / "model.onnx")
    assert stated["data"] == str(folder / "inputs.npz")
    shared = {"eps": 0.5, "norm": "l2", "restarts": 1, "seed": 3, "first": 4, "lower": 0}
    assert shared.items() <= stated.items()
    assert not {"out", "quiet", "config", "budget", "json"} & set(stated)
    assert command("attack", "--config", out / "config.toml", "--out", again, "--quiet").code == 0
    first, second = contents(out), contents(again)
    assert first["adversarials.npz"] == second["adversarials.npz"]
    assert first["config.toml"] == second["config.toml"]
    assert json.loads(first["run.json"])["options"] == json.loads(second["run.json"])["options"]


def test_a_run_of_python_writes_it_too(tmp_path):
    with np.load(DIGITS_DATA) as data:
        x, y = data["x"][:4], data["y"][:4]
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    method = onnx_lippa.Lippa(restarts=1, gradient_steps=15, lp_steps=3)
    upper = np.linspace(1, 2, 64)
    onnx_lippa.attack(
        DIGITS, x, y, eps=0.1, upper=upper, fixed=[0, 9], targets=[1, 2, 3], seed=2,
        method=method, workers=1, out=mine,
    )  # fmt: skip
    ended = command("attack", "--config", mine / "config.toml", "--out", theirs, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    one, other = (json.loads((out / "run.json").read_text()) for out in (mine, theirs))
    for name in ("options", "upper", "fixed", "targets", "eps", "inputs_sha256"):
        assert one[name] == other[name], name
    assert "made in Python" not in (mine / "config.toml").read_text()
    audit = onnx_lippa.Audit(method, budget=60)
    assert audit.attack == method
    onnx_lippa.audit(DIGITS, x[:1], y[:1], eps=0.01, method=method, out=tmp_path / "audit")
    text = (tmp_path / "audit" / "config.toml").read_text()
    assert "# Its method was made in Python: Audit: attack=Lippa(restarts=1" in text


def test_a_curve_writes_it_for_all_radii_and_each(folder):
    out = folder / "curve"
    words = ("audit", "--config", folder / "run.toml", "--eps", "0.001,0.002", "--quiet")
    assert command(*words, "--out", out).code == 0
    stated = config_of(out)["audit"]
    assert (stated["eps"], stated["budget"]) == ([0.001, 0.002], 60.0)
    for path in out.glob("eps-*"):
        part = config_of(path)["audit"]
        assert (f"eps-{part['eps']}", part["budget"]) == (path.name, 30.0)
    assert command(*words, "--out", out).code == 0


@pytest.mark.parametrize("eps", ["0.5", "0.25,0.5"])
def test_a_config_of_the_users_own_is_not_overwritten(folder, eps):
    (folder / "out").mkdir()
    own = folder / "out" / "config.toml"
    own.write_text("eps = 1\n")
    ended = command("attack", DIGITS, "--eps", eps, "--first", 1, *FEW, "--out", folder / "out")
    assert_refused(ended, 2, "holds a config.toml that is not of this")
    assert own.read_text() == "eps = 1\n"


def test_old_folders_without_it_replay_and_resume(folder):
    out = folder / "out"
    words = ("attack", "--config", folder / "run.toml", "--quiet", "--out", out)
    assert command(*words).code == 0
    (out / "config.toml").unlink()
    assert command("replay", out).code == 0
    assert command(*words).code == 0
    assert (out / "config.toml").exists()
    (out / "config.toml").write_text("changed = true\n")
    assert command("replay", out).code == 0


def test_schema():
    """It accepts what the commands accept, and says the same about what they refuse."""
    check = Draft202012Validator(schema())
    Draft202012Validator.check_schema(schema())
    assert check.is_valid(tomllib.loads(FILE.format(eps="[0.1, 0.2]")))
    assert check.is_valid(tomllib.loads(FILE.format(eps='"8/255"')))
    for name in {*REFUSED} - {"TOML", "value"}:
        assert not check.is_valid(tomllib.loads(REFUSED[name][0])), name


def test_the_schema_in_the_documentation_is_current():
    script = [sys.executable, ROOT / "tools" / "config_schema.py", "--check"]
    ended = subprocess.run(
        script, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)}
    )
    assert ended.returncode == 0, ended.stderr


def test_every_option_has_its_own_name():
    for name in CONFIGURED:
        options = options_of(name)
        assert {"model", "data", "eps", "seed", "json", "time-limit"} <= set(options)
        assert len({one.parameter for one in options.values()}) == len(options)
