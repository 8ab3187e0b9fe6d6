"""Damaged data files, lists, properties and run folders."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.support.paths import ROOT
from tests.torture.commands import command_line, finished, forked
from tests.torture.trial import Ending, Trial

KIND = "damaged data, properties and folders"
SECONDS = 60
DIGITS = ROOT / "models" / "digits_mlp.onnx"
QUICK = ("--eps", "0.05", "--first", "3", "--restarts", "0", "--lp-steps", "1",
         "--gradient-steps", "3", "--workers", "1", "--quiet")  # fmt: skip
WORDS = (b"1e999", b"-1", b"nan", b"null", b"true", b'""', b"[]", b"{}", b"99999999999999999999",
         b"Infinity", b"\x00", b"\xff\xfe", b"\x1b[31m")  # fmt: skip


def run(seed: int) -> list[Trial]:
    """One damaged file of some kind."""
    generator = np.random.default_rng([seed, 105])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        kind = int(generator.integers(4))
        if kind == 0:
            return [_data(seed, generator, place)]
        if kind == 1:
            return [_property(seed, generator, place)]
        return [_folder(seed, generator, place)]


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """The content with a few bytes changed, cut off, doubled or put in."""
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 4))):
        place, length = int(generator.integers(len(data) + 1)), int(generator.integers(1, 40))
        match int(generator.integers(6)):
            case 0 if place < len(data):
                data[place] ^= 1 << int(generator.integers(8))
            case 1:
                del data[place:]
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length]
            case 4:
                data[place : place + int(generator.integers(1, 5))] = WORDS[
                    int(generator.integers(len(WORDS)))
                ]
            case _:
                data[place : place + length] = generator.bytes(length)
    return bytes(data)


def _data(seed: int, generator: np.random.Generator, place: Path) -> Trial:
    with np.load(DIGITS.with_suffix(".npz")) as stored:
        arrays = {name: stored[name][:5] for name in stored.files}
    path = place / "x.npz"
    match int(generator.integers(3)):
        case 0:
            np.savez(path, **arrays)
        case 1:
            np.savez_compressed(path, **arrays)
        case _:
            path = place / "x.npy"
            name = max(arrays, key=lambda one: arrays[one].size)
            np.save(path, arrays[name])
    path.write_bytes(damaged(path.read_bytes(), generator))
    return _judged(seed, f"data {path.name}", ["attack", DIGITS, path, *QUICK], (0, 2))


def _property(seed: int, generator: np.random.Generator, place: Path) -> Trial:
    lines = [f"(declare-const X_{i} Real)" for i in range(64)]
    lines += [f"(declare-const Y_{j} Real)" for j in range(10)]
    lines += [f"(assert (>= X_{i} 0.25))\n(assert (<= X_{i} 0.5))" for i in range(64)]
    lines += ["(assert (or (and (<= Y_0 Y_1) (>= Y_2 1.5e1)) (and (<= (* 2.0 Y_0) -3.0))))"]
    path = place / "property.vnnlib"
    path.write_bytes(damaged("\n".join(lines).encode(), generator))
    if generator.random() < 0.2:
        packed = gzip.compress(path.read_bytes())
        path = place / "property.vnnlib.gz"
        path.write_bytes(damaged(packed, generator))
    command = "certify" if generator.random() < 0.5 else "attack"
    words = [command, DIGITS, "--property", path, "--timeout", "2"]
    if generator.random() < 0.3:
        instances = place / "list.csv"
        row = f"{DIGITS},{path},1\n".encode()
        instances.write_bytes(damaged(row + row, generator))
        words = [command, "--instances", instances, "--out", place / "out", "--workers", "1"]
    return _judged(seed, f"property {path.name}", words, (0, 2, 3))


@cache
def template() -> Path:
    """A finished run, of which copies are damaged."""
    place = Path(tempfile.mkdtemp(prefix="torture-")) / "run"
    ended = finished(["attack", DIGITS, "--eps", "0.05", "--first", "12", "--workers", "1",
                      "--out", place])  # fmt: skip
    if ended.code:
        raise RuntimeError(f"the run to be damaged failed: {ended}")
    return place


def _folder(seed: int, generator: np.random.Generator, place: Path) -> Trial:
    run_folder = place / "run"
    shutil.copytree(template(), run_folder)
    files = sorted(path for path in run_folder.rglob("*") if path.is_file())
    victim = files[int(generator.integers(len(files)))]
    if generator.random() < 0.1:
        victim.unlink()
    else:
        victim.write_bytes(damaged(victim.read_bytes(), generator))
    note = f"folder {victim.name}"
    if generator.random() < 0.5:
        # What a damaged file says may be false, and a replay may find that out.
        return _judged(seed, f"{note}, replay", ["replay", run_folder], (0, 1, 2, 3, 5))
    words = ["attack", DIGITS, "--eps", "0.05", "--first", "12", "--workers", "1", "--quiet",
             "--out", run_folder]  # fmt: skip
    again = _judged(seed, f"{note}, going on", words, (0, 2, 5))
    if again.ending is not Ending.HELD or not again.note.endswith(" 0"):
        return again
    return _judged(seed, f"{note}, going on, replay", ["replay", run_folder], (0,))


def _judged(seed: int, note: str, words: list[object], allowed: tuple[int, ...]) -> Trial:
    ended = forked(command_line(words), SECONDS)
    fault = ended.fault
    if not fault and ended.code not in allowed:
        fault = f"exit code {ended.code}: {ended.text[-500:]}"
    ending = Ending.HELD
    if fault:
        ending = Ending.FALSE if ended.code == 1 else Ending.CRASHED
    return Trial(KIND, seed, ending, f"{note}: {fault or ended.code}")
