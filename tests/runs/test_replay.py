"""Replay: true runs pass, and every false claim in their files is found."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from onnx_lippa import FalseClaimError, InputError, LippaError, LoadLimits, ModelError, replay
from onnx_lippa.runs.summary import Summary
from tests.support.attacks import DIGITS, DIGITS_DATA, mlp_file
from tests.support.commands import FEW, command, contents
from tests.support.folders import edit_arrays, edit_json, edit_records
from tests.support.paths import MODELS


def first(records, verdict):
    """The first record with this verdict."""
    return next(record for record in records if record["verdict"] == verdict)


def test_true_run(run):
    before = contents(run)
    confirmed = replay(run / "run")
    assert confirmed.inputs == 12
    assert confirmed.misclassified == 2
    assert confirmed.adversarial > 0
    assert replay(str(run / "run")) == confirmed
    assert contents(run) == before, "a replay writes nothing"


def test_moved_model(run):
    shutil.move(run / "model.onnx", run / "elsewhere.onnx")
    with pytest.raises(InputError, match="model"):
        replay(run / "run")
    assert replay(run / "run", model=run / "elsewhere.onnx").inputs == 12


def test_moved_folder(run):
    shutil.move(run / "run", run / "archive")
    assert replay(run / "archive").inputs == 12


def test_folder_model_and_data_moved_together(tmp_path):
    """They are found where they lie beside each other; where something else took their place, the
    digest decides."""
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    shutil.copy(DIGITS, home / "models" / "m.onnx")
    shutil.copy(DIGITS_DATA, home / "d.npz")
    ended = command(
        "attack", home / "models" / "m.onnx", home / "d.npz", "--eps", 0.06, "--first", 4,
        "--out", home / "runs" / "one", *FEW,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    shutil.move(home, tmp_path / "moved")
    confirmed = replay(tmp_path / "moved" / "runs" / "one")
    assert (confirmed.inputs, confirmed.is_finished) == (4, True)
    (home / "models").mkdir(parents=True)
    shutil.copy(MODELS / "mnist_mlp.onnx", home / "models" / "m.onnx")
    assert replay(tmp_path / "moved" / "runs" / "one") == confirmed
    shutil.copy(MODELS / "mnist_mlp.onnx", tmp_path / "moved" / "models" / "m.onnx")
    with pytest.raises(InputError, match="SHA-256"):
        replay(tmp_path / "moved" / "runs" / "one")


# Claims that do not hold


def shift_pixel(arrays):
    arrays["inputs"][0, 0] += 0.2


def shift_by_one_ulp_out_of_the_box(arrays):
    arrays["inputs"][0, 0] = np.nextafter(np.float32(1), np.float32(2))


def back_to_the_clean_input(arrays):
    with np.load(DIGITS_DATA) as data:
        arrays["inputs"][0] = data["x"][arrays["index"][0]]


def set_nan(arrays):
    arrays["inputs"][0, 3] = np.nan


def swap_rows(arrays):
    arrays["inputs"][[0, 1]] = arrays["inputs"][[1, 0]]


def swap_labels(arrays):
    arrays["labels"][0] = arrays["predictions"][0]


def change_prediction(arrays):
    arrays["predictions"][0] = arrays["labels"][0]


def drop_row(arrays):
    for key in arrays:
        arrays[key] = arrays[key][1:]


def repeat_row(arrays):
    for key in arrays:
        arrays[key] = np.concatenate([arrays[key], arrays[key][:1]])


def rename_index(arrays):
    arrays["index"][0] = 19


def to_float64(arrays):
    arrays["inputs"] = arrays["inputs"].astype(np.float64)


@pytest.mark.parametrize(
    "change",
    [shift_pixel, shift_by_one_ulp_out_of_the_box, back_to_the_clean_input, set_nan, swap_rows,
     swap_labels, change_prediction, drop_row, repeat_row, rename_index, to_float64],
)  # fmt: skip
def test_changed_adversarials(run, change):
    edit_arrays(run / "run" / "adversarials.npz", change)
    # Another type is a damaged file; everything else is a claim that does not hold.
    with pytest.raises(InputError if change is to_float64 else FalseClaimError):
        replay(run / "run")


def test_every_byte_of_a_witness_matters(run):
    """Wherever one value is nudged, the stated distance or the verdict no longer holds."""
    generator = np.random.default_rng(0)
    with np.load(run / "run" / "adversarials.npz") as arrays:
        shape = arrays["inputs"].shape
    original = (run / "run" / "adversarials.npz").read_bytes()
    for _ in range(10):
        row, column = int(generator.integers(shape[0])), int(generator.integers(shape[1]))

        def nudge(arrays, row=row, column=column):
            value = arrays["inputs"][row, column]
            arrays["inputs"][row, column] = value - 0.2 if value > 0.5 else value + 0.2

        edit_arrays(run / "run" / "adversarials.npz", nudge)
        with pytest.raises(FalseClaimError):
            replay(run / "run")
        (run / "run" / "adversarials.npz").write_bytes(original)


RECORD_CHANGES = {
    "label": lambda r: first(r, "adversarial").update(label=9),
    "label of an unknown one": lambda r: first(r, "unknown").update(label=9),
    "prediction": lambda r: first(r, "adversarial").update(prediction=9),
    "prediction of an unknown one": lambda r: first(r, "unknown").update(prediction=9),
    "smaller distance": lambda r: first(r, "adversarial").update(distance=0.001),
    "next distance": lambda r: first(r, "adversarial").update(
        distance=float(np.nextafter(first(r, "adversarial")["distance"], 0))
    ),
    "distance of a misclassified one": lambda r: first(r, "misclassified").update(distance=0.05),
    "distance of an unknown one": lambda r: first(r, "unknown").update(distance=0.05),
    "target": lambda r: first(r, "adversarial").update(target=first(r, "adversarial")["label"]),
    "no target": lambda r: first(r, "adversarial").update(target=None),
    "unknown to adversarial": lambda r: first(r, "unknown").update(verdict="adversarial"),
    "unknown to misclassified": lambda r: first(r, "unknown").update(verdict="misclassified"),
    "unknown to robust": lambda r: first(r, "unknown").update(verdict="robust"),
    "adversarial to unknown": lambda r: first(r, "adversarial").update(verdict="unknown"),
    "adversarial to robust": lambda r: first(r, "adversarial").update(verdict="robust"),
    "misclassified to unknown": lambda r: first(r, "misclassified").update(verdict="unknown"),
    "found by": lambda r: first(r, "adversarial").update(found_by="nothing"),
    "index": lambda r: first(r, "unknown").update(index=17),
    "first line removed": lambda r: r.pop(0),
    "last line removed": lambda r: r.pop(),
    "unknown line removed": lambda r: r.remove(first(r, "unknown")),
    "line repeated": lambda r: r.append(dict(r[0])),
    "line contradicted": lambda r: r.append({**first(r, "unknown"), "verdict": "misclassified"}),
}


@pytest.mark.parametrize("name", list(RECORD_CHANGES))
def test_changed_results(run, name):
    edit_records(run / "run" / "results.jsonl", RECORD_CHANGES[name])
    with pytest.raises(FalseClaimError):
        replay(run / "run")


SUMMARY_CHANGES = {
    "inputs": lambda s: s.update(inputs=13),
    "counts of adversarial": lambda s: s["counts"].update(adversarial=9),
    "counts of misclassified": lambda s: s["counts"].update(misclassified=0),
    "counts of unknown": lambda s: s["counts"].update(unknown=0),
    "counts of robust": lambda s: s["counts"].update(robust=3),
    "clean error": lambda s: s.update(clean_error=0.0),
    "lower bound": lambda s: s["robust_error"].update(lower=0.0),
    "upper bound": lambda s: s["robust_error"].update(upper=0.9),
    "eps": lambda s: s.update(eps=0.03),
    "no eps": lambda s: s.update(eps=None),
    "norm": lambda s: s.update(norm="l2"),
    "model": lambda s: s.update(model_sha256="0" * 64),
    "targets": lambda s: s.update(targets="runner-up"),
    "domain": lambda s: s.update(upper=2.0),
    "median": lambda s: s.update(median_distance=0.001),
}


@pytest.mark.parametrize("name", list(SUMMARY_CHANGES))
def test_changed_summary(run, name):
    edit_json(run / "run" / "summary.json", SUMMARY_CHANGES[name])
    with pytest.raises(FalseClaimError):
        replay(run / "run")


ASKED_CHANGES = {
    "raised eps": lambda a: a.update(eps=0.2),
    "lowered eps": lambda a: a.update(eps=0.01),
    "no eps": lambda a: a.update(eps=None),
    "norm": lambda a: a.update(norm="l1"),
    "domain": lambda a: a.update(upper=0.5),
    "wider domain": lambda a: a.update(upper=2.0),
    "targets": lambda a: a.update(targets="9"),
    "fewer inputs": lambda a: a.update(indices=a["indices"][:5]),
    "other inputs": lambda a: a.update(indices=[i + 5 for i in a["indices"]]),
    "inputs that do not exist": lambda a: a.update(indices=[i + 500 for i in a["indices"]]),
}


@pytest.mark.parametrize("name", list(ASKED_CHANGES))
def test_changed_specification(run, name):
    edit_json(run / "run" / "run.json", ASKED_CHANGES[name])
    with pytest.raises(FalseClaimError):
        replay(run / "run")


def test_a_proof_is_needed_for_robust(run):
    """Consistent files that claim robustness: nothing in them proves it."""

    def claim(records):
        for record in records:
            if record["verdict"] == "unknown":
                record["verdict"] = "robust"

    edit_records(run / "run" / "results.jsonl", claim)

    def add_up(summary):
        counts = summary["counts"]
        counts.update(robust=counts["unknown"], unknown=0)
        summary["robust_error"]["upper"] = 1 - counts["robust"] / 12

    edit_json(run / "run" / "summary.json", add_up)
    with pytest.raises(FalseClaimError, match="robust"):
        replay(run / "run")


def test_the_first_false_claim_is_named(run):
    edit_records(run / "run" / "results.jsonl", RECORD_CHANGES["smaller distance"])
    with pytest.raises(FalseClaimError, match=r"input \d+: .*distance"):
        replay(run / "run")
    ended = command("replay", run / "run")
    assert ended.code == 1
    assert ended.out == ""
    assert "input" in ended.said
    assert "Traceback" not in ended.err


# Files that are missing, damaged or others


def test_changed_model(run):
    shutil.copy(MODELS / "mnist_mlp.onnx", run / "model.onnx")
    with pytest.raises(InputError, match="SHA-256"):
        replay(run / "run")
    with pytest.raises(InputError, match="SHA-256"):
        replay(run / "run", model=MODELS / "mnist_cnn.onnx")
    assert replay(run / "run", model=DIGITS).inputs == 12


def test_changed_data(run):
    edit_arrays(run / "data.npz", lambda arrays: arrays.update(y=arrays["y"][::-1].copy()))
    with pytest.raises(InputError, match="SHA-256"):
        replay(run / "run")


@pytest.mark.parametrize("name", ["model.onnx", "data.npz", "run/run.json", "run/results.jsonl",
                                  "run/adversarials.npz", "run/summary.json"])  # fmt: skip
def test_missing_files(run, name):
    (run / name).unlink()
    with pytest.raises(InputError):
        replay(run / "run")


def test_no_run_at_all(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="holds no run"):
            replay(place)


@pytest.mark.parametrize("name", ["run.json", "results.jsonl", "adversarials.npz", "summary.json"])
@pytest.mark.parametrize("damage", ["empty", "half", "noise", "folder"])
def test_damaged_files(run, name, damage):
    path = run / "run" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(300))
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    with pytest.raises((InputError, FalseClaimError)):
        replay(run / "run")


@pytest.mark.parametrize("value", [None, [], 3, "x", {}, {"indices": 5}])
@pytest.mark.parametrize("name", ["run.json", "summary.json"])
def test_json_of_another_kind(run, name, value):
    (run / "run" / name).write_text(json.dumps(value))
    with pytest.raises((InputError, FalseClaimError)):
        replay(run / "run")


@pytest.mark.parametrize("line", ["null", "[]", "3", '"x"', "{}", '{"index": 0}',
                                  '{"index": null}', '{"index": "zero"}'])  # fmt: skip
def test_lines_of_another_kind(run, line):
    path = run / "run" / "results.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], line, *lines[5:]]) + "\n")
    with pytest.raises((InputError, FalseClaimError)):
        replay(run / "run")


@pytest.mark.parametrize("key", ["verdict", "found_by"])
def test_words_that_mean_nothing(run, key):
    edit_records(run / "run" / "results.jsonl", lambda records: records[2].update({key: "maybe"}))
    with pytest.raises(InputError, match=r"line 3 of .*results\.jsonl"):
        replay(run / "run")


@pytest.mark.parametrize("key", ["index", "label", "prediction", "verdict", "target", "distance"])
def test_records_without_a_key(run, key):
    edit_records(run / "run" / "results.jsonl", lambda records: records[5].pop(key))
    with pytest.raises((InputError, FalseClaimError)):
        replay(run / "run")


@pytest.mark.parametrize("key", ["index", "inputs", "labels", "predictions"])
def test_arrays_left_out(run, key):
    edit_arrays(run / "run" / "adversarials.npz", lambda arrays: arrays.pop(key))
    with pytest.raises((InputError, FalseClaimError)):
        replay(run / "run")


@pytest.mark.parametrize("key", ["index", "inputs", "labels", "predictions"])
def test_arrays_of_another_shape(run, key):
    edit_arrays(
        run / "run" / "adversarials.npz", lambda arrays: arrays.update({key: arrays[key][:-1]})
    )
    with pytest.raises((InputError, FalseClaimError)):
        replay(run / "run")


def test_inputs_of_another_width(run):
    edit_arrays(
        run / "run" / "adversarials.npz",
        lambda arrays: arrays.update(inputs=arrays["inputs"][:, 1:]),
    )
    with pytest.raises((InputError, FalseClaimError)):
        replay(run / "run")


@pytest.mark.parametrize("key", ["model", "model_sha256", "data", "indices", "norm", "eps",
                                 "lower", "upper", "targets"])  # fmt: skip
@pytest.mark.parametrize("value", [None, "nonsense", -7, [1.5]])
def test_specifications_that_make_no_sense(run, key, value):
    if key in ("model", "data") and value == "nonsense":
        return  # a path that was changed by hand: the file is found beside the folder
    edit_json(run / "run" / "run.json", lambda asked: asked.update({key: value}))
    with pytest.raises((InputError, FalseClaimError, ModelError)) as caught:
        replay(run / "run")
    assert isinstance(caught.value, LippaError)


# Honest runs of every kind


@pytest.mark.parametrize(
    "options",
    [
        ("--minimize", "--eps", "0.1"),
        ("--norm", "l1", "--eps", "1.5"),
        ("--norm", "l2"),
        ("--targets", "runner-up", "--eps", "0.1"),
        ("--targets", "3,8", "--eps", "0.2"),
        ("--indices", "30,4,17", "--eps", "0.1"),
        ("--method", "pgd", "--eps", "0.1"),
        ("--eps", "0"),
        ("--time-limit", "0.000001", "--eps", "0.1"),
    ],
)
def test_honest_runs(tmp_path, options):
    out = tmp_path / "run"
    some = () if "--indices" in options else ("--first", 8)
    few = () if "pgd" in options else FEW
    ended = command("attack", DIGITS, "--out", out, *some, *options, *few)
    assert ended.code == 0, ended.err
    assert replay(out).inputs == (3 if "--indices" in options else 8)
    ended = command("replay", out)
    assert (ended.code, ended.err) == (0, "")
    assert "confirmed" in ended.out


def test_minimal_distances_replay_in_one_batch(tmp_path):
    """Points with hardly any margin stay adversarial beside all the others."""
    out = tmp_path / "run"
    ended = command("attack", DIGITS, "--first", 24, "--restarts", 0, "--out", out, "--quiet")
    assert ended.code == 0, ended.err
    assert replay(out).adversarial > 20


def test_the_model_of_a_folder_is_loaded_within_limits(run):
    """A folder comes from somewhere, and so does its model."""
    ended = command("replay", run / "run", "--load-time", "0.0001")
    assert ended.code == 3
    assert "load" in ended.said
    with pytest.raises(ModelError):
        replay(run / "run", limits=LoadLimits(seconds=1e-4))
    assert replay(run / "run", limits=LoadLimits()) == replay(run / "run")


def test_a_summary_without_the_figures_of_later_versions(tmp_path, monkeypatch):
    """Its checksum is that of what was written; random search was not counted, but found some."""
    written, model, out = Summary.as_json, mlp_file(tmp_path, (3, 8, 3)), tmp_path / "run"

    def earlier(self):
        values = written(self)
        assert values["found_by"].pop("sampling") > 0
        del values["median_distance_bound"], values["proven_distances"]
        return values

    with monkeypatch.context() as patch:
        patch.setattr(Summary, "as_json", earlier)
        assert command("attack", model, "--eps", 0.3, "--first", 20, "--out", out).code == 0
    summary = json.loads((out / "summary.json").read_text())
    assert "sampling" not in summary["found_by"]
    assert replay(out).adversarial == summary["counts"]["adversarial"]
