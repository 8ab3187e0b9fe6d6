"""Properties as files: the competition's, damaged ones, and large ones."""

from __future__ import annotations

import csv
import gzip
import os
import random
import subprocess
import sys
import time
import zlib
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from onnx_lippa import Property
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import And, Comparison, Or
from onnx_lippa.spec.vnnlib import reader
from tests.support.shared_files import SHARED, each_shared_file, needs_shared
from tests.support.vnnlib import declared

COMPETITION = SHARED / "data" / "vnncomp"
FILES = sorted(COMPETITION.glob("*/*.vnnlib*"))
EACH_FILE = each_shared_file("data/vnncomp/*/*.vnnlib*")
SMALL = declared(1, 1) + "\n(assert (<= X_0 0.5)) (assert (>= X_0 0.25)) (assert (<= Y_0 0))"
ZIPPED = gzip.compress(SMALL.encode(), mtime=0)

SHAPES = {
    "mnist_fc/": (784, 10, [9], 1),
    "oval21/": (3072, 10, [9], 1),
    "cifar10_resnet/": (3072, 10, [9], 1),
    "sri_resnet_a/": (3072, 10, [9], 1),
    "verivital/": (784, 10, [9], 1),
    "eran/": (784, 10, [9], 1),
    "cora/": (784, 10, [9], 1),
    "cifar_biasfield/": (16, 10, [9], 1),
    "metaroom/": (5376, 20, [19], 1),
    "marabou-cifar10/": (3072, 10, [1], 9),
    "acasxu/prop_1": (5, 5, [1], 1),
    "acasxu/prop_6": (5, 5, [4, 4], 1),
    "acasxu/": (5, 5, [1], 4),
    "nn4sys/pensieve": (48, 6, [1], 5),
    "nn4sys/piecewise_100_101": (1, 1, [2], 1),
    "nn4sys/piecewise_100": (1, 1, [1] * 5, 1),
    "reach_prob_density/robot": (5, 5, [1], 5),
    "reach_prob_density/vdp": (3, 3, [1], 5),
    "rl_benchmarks/dubinsrejoin": (8, 8, [1], 6),
    "rl_benchmarks/lunarlander": (8, 4, [1], 1),
    "tllverifybench/": (2, 1, [1], 1),
    "safenlp/": (30, 2, [1], 1),
    "linearizenn/": (4, 2, [2], 1),
    "collins_rul_cnn/robustness_2perturbations_delta10_epsilon10_w20_2022": (400, 1, [1], 2),
    "collins_rul_cnn/": (400, 1, [2], 1),
}
"""Inputs, outputs, conjunctions of every case, and rows of each, by how the path begins."""


@cache
def property_of(path: Path) -> Property:
    return Property.from_vnnlib(path)


def begins(path: Path) -> str:
    name = path.relative_to(COMPETITION).as_posix()
    return next(start for start in SHAPES if name.startswith(start))


@needs_shared("data/vnncomp")
def test_the_competitions_files_are_all_there():
    with (COMPETITION / "instances.csv").open() as stream:
        wanted = {COMPETITION / row["vnnlib"] for row in csv.DictReader(stream)}
    assert wanted == set(FILES)
    assert {begins(path) for path in FILES} == set(SHAPES)


@EACH_FILE
def test_shapes_of_the_competitions_properties(path):
    found = property_of(path)
    inputs, outputs, disjuncts, rows = SHAPES[begins(path)]
    assert (found.inputs, found.outputs, found.joint) == (inputs, outputs, False)
    assert [len(case.unsafe.disjuncts) for case in found.cases] == disjuncts
    for case in found.cases:
        assert np.isfinite(case.lower).all() and np.isfinite(case.upper).all()
        assert np.all(case.lower <= case.upper)
        for disjunct in case.unsafe.disjuncts:
            assert disjunct.matrix.shape == (rows, outputs)
            assert not disjunct.strict


@EACH_FILE
def test_middles_of_the_competitions_boxes_meet_all_bounds_of_inputs(path):
    found = property_of(path)
    case = found.cases[0]
    pinned = case.lower == case.upper
    middle = np.where(pinned, case.lower, (case.lower + case.upper) / 2).tolist()
    if len(found.cases) > 1 or "if_then" in path.name:
        return  # their boxes stand under an or
    assert isinstance(found.formula, And | Or)
    for part in found.formula.parts:
        if isinstance(part, Comparison) and part.inputs and not pinned[part.inputs[0][0]]:
            assert part.holds(middle, [])


@needs_shared("data/vnncomp")
@pytest.mark.parametrize(
    ("start", "fixed"),
    [
        ("collins_rul_cnn/robustness_2", 398),
        ("collins_rul_cnn/if_then", 200),
        ("nn4sys/pensieve", 32),
        ("metaroom/spec_idx_63", 5376),
        ("acasxu/prop_4", 1),
        ("acasxu/prop_3", 0),
    ],
)
def test_fixed_inputs(start, fixed):
    paths = [p for p in FILES if p.relative_to(COMPETITION).as_posix().startswith(start)]
    assert paths
    for path in paths:
        (case,) = property_of(path).cases
        assert np.count_nonzero(case.lower == case.upper) == fixed


@needs_shared("data/vnncomp")
def test_a_bound_of_a_file_is_the_float_inside_of_it():
    (case,) = property_of(COMPETITION / "acasxu" / "prop_4.vnnlib").cases
    np.testing.assert_allclose(case.upper[:2], [-0.298552812, 0.009549297], rtol=1e-15)
    assert (case.lower[2], case.upper[2]) == (0, 0)


def test_gzip_is_seen_from_the_first_bytes(tmp_path):
    for name, content in (
        ("plain.vnnlib", SMALL.encode()),
        ("zipped.vnnlib.gz", ZIPPED),
        ("zipped_without_saying.vnnlib", ZIPPED),
        ("plain.vnnlib.gz", SMALL.encode()),
        ("mark.vnnlib", b"\xef\xbb\xbf" + SMALL.encode()),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        found = Property.from_vnnlib(str(path))
        assert found.source == str(path)
        assert (found.cases[0].lower[0], found.cases[0].upper[0]) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ZIPPED[:-10], "is a gzip file that is damaged or incomplete"),
        (ZIPPED[:12], "is a gzip file that is damaged or incomplete"),
        (b"\x1f\x8b", "is a gzip file that is damaged or incomplete"),
        (b"\x1f\x8bgarbage and more garbage", "is a gzip file that is damaged or incomplete"),
        (ZIPPED + b"more", "is a gzip file that is damaged or incomplete"),
        (SMALL.encode("utf-16"), "is not a text file"),
        (b"\x08\x07\x12\x07pytorch\x00\x01", "is not a text file"),
        (b"\x89PNG\r\n\x1a\n", "line 1: "),
        (SMALL.encode()[:-5], "line 2: the file ends inside the parenthesis opened on line 2"),
        (b"", "no input is declared"),
        (SMALL.encode() + b"\n(assert (<= (* 1e400 Y_0) 1))",
         "a comparison (line 3) has a number beyond float64: scale it"),
    ],
)  # fmt: skip
def test_files_that_are_refused(tmp_path, content, said):
    path = tmp_path / "prop.vnnlib"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        Property.from_vnnlib(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_paths_that_are_refused(tmp_path):
    for path, said in (
        (tmp_path, "is a folder: give the VNN-LIB file in it"),
        (tmp_path / "missing.vnnlib", "cannot be opened (No such file or directory)"),
        ("with\0zero", "cannot be opened"),
    ):
        with pytest.raises(InputError) as refused:
            Property.from_vnnlib(path)
        assert said in str(refused.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is not a regular file"):
        Property.from_vnnlib(tmp_path / "pipe")


def test_more_text_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MAX_BYTES", 2_000_000)
    path = tmp_path / "prop.vnnlib"
    for content in (b" " * 2_000_001, gzip.compress(b" " * 50_000_000, mtime=0)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="has more than 2 MB of text, the most that is read"):
            Property.from_vnnlib(path)


def test_unpacking_stops_when_time_is_up(tmp_path, monkeypatch):
    """Long before all of it is unpacked."""
    clock = count(1)
    path = tmp_path / "prop.vnnlib"
    path.write_bytes(gzip.compress(b" " * 50_000_000, mtime=0))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(OutOfTimeError):
        reader.read(path, deadline=5.0)
    assert next(clock) == 7


def image(inputs: int) -> str:
    """A classifier's property as the competition writes it."""
    lines = [declared(inputs, 10)]
    generator = random.Random(3)
    for i in range(inputs):
        low = generator.random()
        lines.append(f"(assert (<= X_{i} {low + 0.1:.9f}))\n(assert (>= X_{i} {low:.9f}))")
    others = "\n".join(f"    (and (<= Y_0 Y_{j}))" for j in range(1, 10))
    return "\n".join([*lines, f"(assert (or\n{others}\n))"])


def least_time(call) -> float:
    """Processor time of the quickest of three runs, whatever else the machine does."""
    times = []
    for _ in range(3):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times)


def test_3072_inputs_take_well_under_a_second(tmp_path):
    path = tmp_path / "prop.vnnlib"
    path.write_text(image(3072))
    assert least_time(lambda: Property.from_vnnlib(path)) < 0.8
    found = Property.from_vnnlib(path)
    (case,) = found.cases
    assert len(case.unsafe.disjuncts) == 9
    assert found.holds(case.lower, np.zeros(10))
    assert least_time(lambda: found.holds(case.lower, np.zeros(10))) < 0.1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory differently")
@pytest.mark.parametrize("kind", ["gzip bomb", "comparisons", "boxes", "sum", "image"])
def test_large_files_take_bounded_time_and_memory(tmp_path, kind):
    """In a process of its own, so that its memory and time can be told."""
    path = tmp_path / "prop.vnnlib"
    write_large(path, kind)
    code = (
        "import sys, resource\n"
        "from time import process_time\n"
        "from onnx_lippa.spec import Property\n"
        "from onnx_lippa.errors import InputError\n"
        "try: print(len(Property.from_vnnlib(sys.argv[1]).cases), 'cases')\n"
        "except InputError as refused: print(refused)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, process_time())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=True, timeout=180,
    )  # fmt: skip
    outcome, used = ended.stdout.splitlines()
    memory, seconds = used.split()
    expected = {
        "gzip bomb": "has more than 200 MB of text",
        "comparisons": "more than 1000000 different comparisons",
        "boxes": "10000 cases",
        "sum": "takes more than 2000000 steps",
        "image": "1 cases",
    }
    assert expected[kind] in outcome
    assert int(memory) < 1_100_000  # kB
    assert float(seconds) < 60


def write_large(path: Path, kind: str) -> None:
    generator = random.Random(4)
    if kind == "gzip bomb":
        packer = zlib.compressobj(wbits=31)
        with path.open("wb") as stream:
            for _ in range(300):
                stream.write(packer.compress(b" " * 10_000_000))
            stream.write(packer.flush())
        return
    with path.open("w") as stream:
        stream.write(declared(300, 1) + "\n")
        if kind == "comparisons":
            for number in range(3_000_000):
                stream.write(f"(assert (<= X_{number % 300} {generator.random():.9f}))\n")
        elif kind == "boxes":
            stream.write("(assert (or\n")
            for _ in range(10_000):
                sides = (f"(<= X_{i} {generator.choice((0.5, 1, 2))}) (>= X_{i} 0)"
                         for i in range(300))  # fmt: skip
                stream.write(f"(and {' '.join(sides)} (<= Y_0 {generator.random()}))\n")
            stream.write("))\n")
        elif kind == "sum":
            stream.write("(assert (<= (+")
            for _ in range(3_000_000):
                stream.write(f" (* {generator.random()} X_0)")
            stream.write(") 0))")
        else:
            stream.seek(0)
            stream.write(image(150_528))
