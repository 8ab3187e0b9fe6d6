"""``onnx-lippa attack``, ``replay`` and their outputs on the terminal."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest

from tests.support.attacks import DIGITS, DIGITS_DATA, mlp_file, plain_outputs
from tests.support.commands import FEW, command, spawned

EPS = ("--eps", "0.08", "--first", "6")


def test_what_a_run_says(tmp_path):
    out = tmp_path / "run"
    ended = command("attack", DIGITS, DIGITS_DATA, *EPS, *FEW, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    for word in ("digits_mlp.onnx", "5 layers", "64 ReLUs", "input 64", "10 classes"):
        assert word in lines[0]
    for word in (
        "clean error", "robust error (lower bound)", "6 of 6", "misclassified", "adversarial",
        "unknown", "median distance", "mean time per adversarial input",
        "mean time per unknown input", "found by PGD", "LPSteps", "total time",
    ):  # fmt: skip
        assert word in ended.out
    assert "Traceback" not in ended.out
    assert "\x1b" not in ended.out, "no colours where there is no terminal"
    again = command("replay", out)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("confirmed: ")


def test_json_and_nothing_else(tmp_path):
    out = tmp_path / "run"
    for extra in ((), ("--quiet",)):
        ended = command("attack", DIGITS, *EPS, *FEW, "--json", "--out", out, *extra)
        assert (ended.code, ended.err) == (0, "")
        printed = json.loads(ended.out)
        stored = json.loads((out / "summary.json").read_text())
        assert printed.keys() == stored.keys()
        assert {**printed, "seconds": 0} == {**stored, "seconds": 0}


def test_quiet(tmp_path):
    ended = command("attack", DIGITS, *EPS, *FEW, "--quiet", "--out", tmp_path / "run")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "run" / "summary.json").exists()


@pytest.mark.parametrize("solver", ["clarabel", "pdlp"])
@pytest.mark.parametrize("way", ["--json", "--quiet"])
def test_solvers_print_nothing(capfd, solver, way):
    """Nor do the libraries below Python, which know nothing of sys.stdout."""
    ended = command("attack", DIGITS, "--norm", "l2", "--solver", solver, "--first", 2, way, *FEW)
    assert ended.code == 0, ended.err
    below = capfd.readouterr()
    assert (below.out, below.err) == ("", "")


def test_nothing_is_written_without_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("attack", DIGITS, *EPS, *FEW).code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("attack", DIGITS, *EPS, *FEW), ("gradient", "--help")])
def test_output_that_knows_only_ascii(words):
    """As on some consoles and in many build logs."""
    content = io.BytesIO()
    console = io.TextIOWrapper(content, encoding="ascii", write_through=True)
    ended = command(*words, out=console)
    assert (ended.code, ended.err) == (0, "")
    assert len(content.getvalue()) > 100


# What is attacked


def test_bare_with_data_beside_the_model(tmp_path):
    shutil.copy(DIGITS, tmp_path / "net.onnx")
    with np.load(DIGITS_DATA) as data:
        np.savez(tmp_path / "net.npz", x=data["x"][:5], y=data["y"][:5])
    ended = command("attack", tmp_path / "net.onnx", *FEW, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert "net.npz" in ended.out
    assert "5 of 5" in ended.out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["eps"] is None
    assert summary["minimize"] is True
    assert command("replay", tmp_path / "run").code == 0


def test_bare_without_data(tmp_path):
    model = mlp_file(tmp_path, (5, 10, 4))
    ended = command("attack", model, *FEW, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert "drawn from the domain" in ended.out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["counts"]["misclassified"] == 0
    with np.load(tmp_path / "run" / "data.npz") as data:
        x, y = data["inputs"], data["labels"]
    assert x.dtype == np.float32
    assert np.all((x >= 0) & (x <= 1))
    np.testing.assert_array_equal(plain_outputs(model, x).argmax(axis=1), y)
    again = command("replay", tmp_path / "run")
    assert again.code == 0, again.err
    other = command("attack", model, *FEW, "--seed", 1, "--out", tmp_path / "other")
    assert other.code == 0
    with np.load(tmp_path / "other" / "data.npz") as data:
        assert not np.array_equal(data["inputs"], x)


def test_first_of_drawn_inputs(tmp_path):
    model = mlp_file(tmp_path, (5, 10, 4))
    ended = command("attack", model, "--first", 3, *FEW)
    assert ended.code == 0, ended.err
    assert "3 of 3" in ended.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--first", 2), [0, 1]),
        (("--indices", "4"), [4]),
        (("--indices", "9,2,5"), [9, 2, 5]),
        (("--indices", " 3, 1 "), [3, 1]),
    ],
)
def test_choice_of_inputs(tmp_path, words, expected):
    ended = command("attack", DIGITS, "--eps", 0.02, *words, *FEW, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    lines = (tmp_path / "run" / "results.jsonl").read_text().splitlines()
    assert {json.loads(line)["index"] for line in lines} == set(expected)


def test_more_than_there_are(tmp_path):
    with np.load(DIGITS_DATA) as data:
        np.savez(tmp_path / "d.npz", x=data["x"][:3], y=data["y"][:3])
    ended = command("attack", DIGITS, tmp_path / "d.npz", "--first", 100, "--eps", 0.02, *FEW)
    assert ended.code == 0, ended.err
    assert "3 of 3" in ended.out


def test_data_without_labels(tmp_path):
    with np.load(DIGITS_DATA) as data:
        np.savez(tmp_path / "d.npz", x=data["x"][:4])
    ended = command(
        "attack", DIGITS, tmp_path / "d.npz", "--eps", 0.02, *FEW, "--out", tmp_path / "run"
    )
    assert ended.code == 0, ended.err
    assert "no labels" in ended.out
    assert command("replay", tmp_path / "run").code == 0


def test_pixels_become_fractions(tmp_path):
    """Bytes are those of the float file."""
    with np.load(DIGITS_DATA) as data:
        pixels = np.rint(data["x"][:4] * 255).astype(np.uint8)
        y = data["y"][:4]
    np.savez(tmp_path / "bytes.npz", images=pixels, labels=y)
    np.savez(tmp_path / "floats.npz", x=(pixels / 255).astype(np.float32), y=y)
    found = []
    for name in ("bytes", "floats"):
        out = tmp_path / name
        data = tmp_path / f"{name}.npz"
        ended = command("attack", DIGITS, data, "--eps", 0.1, *FEW, "--out", out)
        assert ended.code == 0, ended.err
        with np.load(out / "adversarials.npz") as arrays:
            found.append((arrays["index"].tolist(), arrays["inputs"].tobytes()))
    assert found[0] == found[1]


def test_names_are_not_markup(tmp_path):
    """Brackets in names are printed, not taken for colours."""
    folder = tmp_path / "a[b" / "c]d [red]"
    folder.mkdir(parents=True)
    model = folder / "net[bold].onnx"
    shutil.copy(DIGITS, model)
    ended = command("attack", model, "--first", 2, *FEW, "--out", folder / "run[0]")
    assert ended.code == 0, ended.err
    assert "net[bold].onnx" in ended.out
    assert "run[0]" in "".join(ended.out.split())
    ended = command("attack", folder / "[/none].onnx")
    assert ended.code == 2
    assert "[/none].onnx" in ended.said


def test_options_reach_the_attack(tmp_path):
    ended = command(
        "attack", DIGITS, "--eps", 0.5, "--norm", "l2", "--minimize", "--targets", "1,2",
        "--lower", -1, "--upper", 2, "--method", "lippa", "--engine", "rows",
        "--solver", "clarabel", "--seed", 3,
        "--workers", 1, "--time-limit", 100, "--first", 2, "--json", *FEW,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    summary = json.loads(ended.out)
    said = {key: summary[key] for key in (
        "eps", "norm", "minimize", "targets", "lower", "upper", "method", "seed", "workers",
    )}  # fmt: skip
    assert said == {
        "eps": 0.5, "norm": "l2", "minimize": True, "targets": "1,2", "lower": -1.0, "upper": 2.0,
        "method": "lippa", "seed": 3, "workers": 1,
    }  # fmt: skip
    ended = command("attack", DIGITS, "--eps", 0.05, "--method", "pgd", "--first", 9, "--json")
    assert json.loads(ended.out)["lp_steps"] == 0


def test_options_of_another_method_are_refused():
    ended = command("attack", DIGITS, "--eps", 0.05, "--method", "pgd", "--lp-steps", 3)
    assert ended.code == 2
    assert "lp_steps is no option of the method 'pgd'" in ended.said


def test_help():
    ended = command("--help")
    assert ended.code == 0
    for word in ("attack", "replay", "inspect", "gradient", "130"):
        assert word in ended.out
    for name in ("attack", "replay", "inspect", "gradient"):
        assert command(name, "--help").code == 0


@pytest.mark.parametrize("words", [(), ("fly",), ("attack",), ("attack", "--eps")])
def test_usage_errors(words):
    ended = command(*words)
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_a_process_of_its_own(tmp_path):
    """The installed entry point: exit code, standard output and standard error."""
    process = spawned("attack", DIGITS, *EPS, *FEW, "--json", "--out", tmp_path / "run")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["inputs"] == 6
    process = spawned("attack", tmp_path / "none.onnx")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "Traceback" not in err
