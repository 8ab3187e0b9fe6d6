"""Runs of many inputs: the parent's memory does not grow with them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.attacks import DIGITS, DIGITS_DATA, mlp_file
from tests.support.commands import lines, spawned, wait_for

QUICK = ("--method", "pgd", "--restarts", 0, "--gradient-steps", 3, "--workers", 2)


def peak_at_first_result(process, out) -> float:
    """Peak memory of a process, in MB, when its first result is on disk."""
    wait_for(lambda: lines(out), process, seconds=300.0)
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    process.kill()
    process.communicate()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e3


def digits(folder, count):
    """So many inputs of 64 features near the digits."""
    generator = np.random.default_rng(0)
    with np.load(DIGITS_DATA) as data:
        rows = generator.integers(0, len(data["x"]), count)
        x = data["x"][rows] + generator.uniform(-0.05, 0.05, (count, 64))
        np.save(folder / "x.npy", np.clip(x, 0, 1).astype(np.float32))
        np.save(folder / "y.npy", data["y"][rows])
    return folder / "x.npy"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_at_many_inputs(tmp_path):
    """Within 1 kB an input of what a run of 25 takes, where a Problem of each took 15 kB."""
    peaks = []
    for count in (25, 100_000):
        out = tmp_path / f"run{count}"
        data = digits(tmp_path, count)
        process = spawned("attack", DIGITS, data, "--eps", 0.02, "--out", out, *QUICK)
        peaks.append(peak_at_first_result(process, out))
    assert peaks[1] - peaks[0] < 100.0 + peaks[0] / 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_at_large_inputs(tmp_path):
    """20,000 inputs of 3,072 bytes, 61 MB on disk: what they would take as floats is four times."""
    model = mlp_file(tmp_path, (3072, 16, 10), name="model.onnx")
    generator = np.random.default_rng(0)
    peaks = []
    for count in (25, 20_000):
        out = tmp_path / f"run{count}"
        x = generator.integers(0, 256, (count, 3072)).astype(np.uint8)
        np.save(tmp_path / "x.npy", x)
        process = spawned("attack", model, tmp_path / "x.npy", "--eps", 0.001, "--out", out, *QUICK)
        peaks.append(peak_at_first_result(process, out))
    assert peaks[1] - peaks[0] < 160.0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_more_workers_than_batches(tmp_path):
    """Eight are asked for; there is work for two."""
    out = tmp_path / "run"
    data = digits(tmp_path, 40)
    process = spawned(
        "attack", DIGITS, data, "--eps", 0.05, "--restarts", 300, "--lp-steps", 5000,
        "--workers", 8, "--out", out,
    )  # fmt: skip
    most, end = 0, time.monotonic() + 60
    while lines(out) == 0 and time.monotonic() < end:
        most = max(most, workers_of(process.pid))
    process.kill()
    process.communicate()
    assert most == 2


def workers_of(parent) -> int:
    """Children of a process that are workers."""
    count = 0
    for path in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            count += b"spawn_main" in Path(f"/proc/{path}/cmdline").read_bytes()
        except OSError:
            continue
    return count
