"""Groups of options, and values of options: numbers, fractions, files, lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Annotated, get_args

import numpy as np
import pytest
import typer
from typer.models import OptionInfo, ParameterInfo

import onnx_lippa
from onnx_lippa.cli.app import COMMANDS
from onnx_lippa.cli.arguments.options import BALL, PANELS, RUN, option, spread
from onnx_lippa.cli.arguments.values import fixed_from, values_from
from onnx_lippa.errors import InputError
from tests.support.attacks import DIGITS, DIGITS_DATA, mlp_file
from tests.support.commands import FEW, assert_refused, command

D = 64


@dataclass(frozen=True, kw_only=True)
class Colours:
    """A group of two options, in two panels."""

    hue: Annotated[str, option(RUN, "Hue.")] = "red"
    is_bright: Annotated[bool, option(BALL, "Bright.", "--bright")] = False


def test_groups_are_built_from_the_options_of_a_command():
    seen = []

    @spread
    def paint(wall: Annotated[int, typer.Argument()], colours: Colours, coats: int = 1) -> None:
        """Paint."""
        seen.append((wall, colours, coats))

    app = typer.Typer()
    app.command()(paint)
    app(["7", "--bright", "--hue", "blue"], standalone_mode=False)
    app(["8", "--coats", "2"], standalone_mode=False)
    assert seen == [(7, Colours(hue="blue", is_bright=True), 1), (8, Colours(), 2)]
    assert list(signature(paint).parameters) == ["wall", "coats", "is_bright", "hue"]
    assert paint.__doc__ == "Paint."


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
def test_every_option_says_what_it_is_in_one_sentence(one):
    """Its panel is one that the help text has, and flags have no --no-FLAG."""
    for parameter in signature(one.function()).parameters.values():
        (info,) = [i for i in get_args(parameter.annotation) if isinstance(i, ParameterInfo)]
        assert info.help is not None
        assert info.help.endswith((".", "?"))
        if isinstance(info, OptionInfo):
            assert info.rich_help_panel in PANELS
            is_flag = isinstance(parameter.default, bool)
            assert not is_flag or str(info.default).startswith("--")


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.1", 0.1), ("1/255", 1 / 255), (" 8 / 255", 8 / 255), ("-3/4", -0.75),
     ("8.5/255", 8.5 / 255),
     ("1e-3", 1e-3), ("inf", np.inf), ("-inf", -np.inf), ("1/3e2", 1 / 300)],
)  # fmt: skip
def test_numbers(text, number):
    assert values_from("--eps", text) == number


@pytest.mark.parametrize(
    "text", ["", "much", "1/0", "1/2/3", "/255", "1/", "0,", "data.txt", "1 2"]
)
def test_no_numbers(text):
    with pytest.raises(InputError, match=r"--eps .* is not understood: give a number, a fraction"):
        values_from("--eps", text)


@pytest.mark.parametrize("name", ["a.npy", "a.NPY", "a.npz"])
def test_arrays(tmp_path, name):
    values = np.arange(6.0).reshape(2, 3)
    with (tmp_path / name).open("wb") as file:
        np.savez(file, values) if name == "a.npz" else np.save(file, values)
    np.testing.assert_array_equal(values_from("--eps", str(tmp_path / name)), values)


@pytest.mark.parametrize("text", ["0,3,7", "0, 3 ,7"])
def test_lists_of_features(text):
    assert fixed_from(text) == [0, 3, 7]


@pytest.mark.parametrize(
    "mask", [np.array([True, False, True]), np.array([1, 0, 1]), np.array([[1.0, 0.0, 1.0]])]
)
def test_masks(tmp_path, mask):
    np.save(tmp_path / "mask.npy", mask)
    read = fixed_from(str(tmp_path / "mask.npy"))
    assert isinstance(read, np.ndarray)
    assert read.dtype == np.bool_
    assert read.ravel().tolist() == [True, False, True]


# A whole command


def test_everything_at_once(tmp_path):
    np.save(tmp_path / "eps.npy", np.linspace(0.05, 0.4, D, dtype=np.float32))
    out = tmp_path / "run"
    words = (
        "attack", DIGITS, DIGITS_DATA, "--eps", tmp_path / "eps.npy", "--grid", "1/16",
        "--lower", "-1/16", "--upper", "1", "--fixed", "0,9,18", "--first", 4, *FEW,
    )  # fmt: skip
    ended = command(*words, "--out", out, "--json")
    assert (ended.code, ended.err) == (0, "")
    summary = json.loads(ended.out)
    assert summary["counts"]["adversarial"] > 0
    assert (summary["fixed"], summary["grid"], summary["lower"]) == (3, 1 / 16, -1 / 16)
    with np.load(out / "adversarials.npz") as found, np.load(DIGITS_DATA) as data:
        x, clean = found["inputs"], data["x"][found["index"]]
    assert np.all(x * 16 == np.rint(x * 16))
    assert np.all(x >= -1 / 16)
    assert x[:, [0, 9, 18]].tobytes() == clean[:, [0, 9, 18]].tobytes()
    assert command("replay", out).code == 0


def test_a_scale_is_a_radius_for_each_feature(tmp_path):
    """A file of radii is a scale with the radius 1; with a scale there are curves."""
    np.save(tmp_path / "scale.npy", np.linspace(0.05, 0.4, D))
    scale, first = tmp_path / "scale.npy", ("--first", 4)
    found: list[list[str]] = []
    for words in (("--eps", scale), ("--eps", 1, "--scale", scale)):
        out = tmp_path / str(len(found))
        ended = command("attack", DIGITS, *words, *first, *FEW, "--out", out)
        assert (ended.code, ended.err) == (0, "")
        assert "within ℓ∞ distance 1, scaled by 0.05 to 0.4" in ended.out
        found.append((out / "adversarials.npz").read_bytes())
    assert found[0] == found[1]
    ended = command("attack", DIGITS, "--eps", "0.5,1", "--scale", scale, *first, *FEW, "--json")
    radii = json.loads(ended.out)["curve"]
    assert radii[0]["robust_error"]["lower"] <= radii[1]["robust_error"]["lower"]


def test_inputs_are_drawn_from_the_domain_and_the_grid(tmp_path):
    model = mlp_file(tmp_path, (3, 8, 3))
    np.save(tmp_path / "upper.npy", [2.0, 7.0, 0.5])
    out = tmp_path / "run"
    ended = command(
        "attack", model, "--eps", 1, "--upper", tmp_path / "upper.npy", "--grid", "1/4",
        "--first", 20, "--out", out, *FEW,
    )  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    with np.load(out / "data.npz") as data:
        x = data["inputs"]
    assert np.all(x * 4 == np.rint(x * 4))
    assert np.all((x >= 0) & (x <= [2, 7, 0.5]))
    assert np.all(x.max(axis=0) > [1, 4, 0.25])
    assert command("replay", out).code == 0


# What is refused


def write(folder, name, values):
    np.save(folder / name, values)
    return folder / name


def several(folder):
    np.savez(folder / "several.npz", a=np.zeros(3), b=np.zeros(3))
    return folder / "several.npz"


def pickled(folder):
    return write(folder, "pickled.npy", np.array([None, {}], dtype=object))


def damaged(folder):
    (folder / "damaged.npy").write_bytes(b"not an array")
    return folder / "damaged.npy"


FILES = {
    "too few": ("--eps", lambda f: write(f, "a.npy", np.full(5, 0.1)),
                "eps holds 5 values, but the model takes 64 features"),
    "bounds too many": ("--upper", lambda f: write(f, "a.npy", np.ones(65)),
                        "upper holds 65 values"),
    "negative": ("--eps", lambda f: write(f, "a.npy", -np.ones(D)), "eps is -1.0 at feature 0"),
    "NaN": ("--grid", lambda f: write(f, "a.npy", np.full(D, np.nan)), "nan at feature 0"),
    "text": ("--lower", lambda f: write(f, "a.npy", np.array(["a"] * D)), "type <U1"),
    "several": ("--eps", several, "must hold one array, but holds 'a', 'b'"),
    "pickled": ("--eps", pickled, "pickled.npy cannot be read"),
    "damaged": ("--lower", damaged, "damaged.npy cannot be read"),
    "missing": ("--upper", lambda f: f / "none.npy", "none.npy does not exist"),
    "folder": ("--fixed", lambda f: f / "folder.npy", "is a folder"),
    "no mask": ("--fixed", lambda f: write(f, "a.npy", np.arange(D)), "is no mask"),
    "mask too short": ("--fixed", lambda f: write(f, "a.npy", np.ones(9, bool)), "holds 9 values"),
    "turned": ("--lower", lambda f: write(f, "a.npy", np.where(np.arange(D) == 7, 2.0, 0.0)),
               "[2.0, 1.0] of feature 7 is empty"),
    "outside": ("--upper", lambda f: write(f, "a.npy", np.full(D, 0.5)), "outside the domain"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FILES))
def test_bad_files(tmp_path, name):
    option, make, says = FILES[name]
    (tmp_path / "folder.npy").mkdir()
    eps = () if option == "--eps" else ("--eps", "0.1")
    ended = command(
        "attack",
        DIGITS,
        "--first",
        3,
        *eps,
        option,
        make(tmp_path),
        *FEW,
        "--out",
        tmp_path / "new",
    )
    assert_refused(ended, 2, says)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--eps", "much"), "--eps 'much' is not understood"),
        (("--eps", "1/0"), "--eps '1/0' is not understood"),
        (("--grid", "-1/255"), "the step of the grid is -0.0039"),
        (("--grid", "nan"), "the step of the grid is nan"),
        (("--grid", "1/255"), "which is no multiple of 0.00392157"),
        (("--grid", "2", "--lower", "0.5", "--upper", "1.5"), "feature 0 takes multiples of 2"),
        (("--fixed", "0,64"), "the fixed features name 64, but the model takes 64 features"),
        (("--fixed", "0,0"), "twice"),
        (("--fixed", "-1"), "negative"),
        (("--fixed", ""), "--fixed '' is not understood: give a list of features like 0,3,7"),
        (("--fixed", "0,,3"), "--fixed '0,,3' is not understood"),
        (("--lower", "low"), "--lower 'low' is not understood"),
    ],
)
def test_bad_words(tmp_path, words, says):
    eps = () if "--eps" in words else ("--eps", "0.1")
    ended = command("attack", DIGITS, "--first", 3, *eps, *words, *FEW, "--out", tmp_path / "new")
    assert_refused(ended, 2, says)
    assert not (tmp_path / "new").exists()


# The same in Python

CALLS = {
    "attack": onnx_lippa.attack,
    "audit": onnx_lippa.audit,
    "certify": onnx_lippa.certify,
    "distance": onnx_lippa.minimal_distortion,
}
ONLY_IN_PYTHON = {"x", "y", "on_event", "data_options"}
OTHERWISE = {"model", "workers", "lower", "upper", "grid", "minimize", "time_limit", "budget"}
"""Stated otherwise on the command line: as text, or None where a property has another default."""


@pytest.mark.parametrize("name", CALLS)
def test_options_are_the_arguments_of_python(name):
    """With the same defaults; what the command line has besides is data, loading and printing."""
    (one,) = [command for command in COMMANDS if command.name == name]
    options, arguments = signature(one.function()).parameters, signature(CALLS[name]).parameters
    assert set(arguments) - set(options) == ONLY_IN_PYTHON
    for shared in set(arguments) & set(options) - OTHERWISE:
        default = arguments[shared].default
        assert options[shared].default == (None if default is Parameter.empty else default)
