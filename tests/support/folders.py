"""Changing the files of a run, as a forger or a bad disk would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def read_records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def edit_records(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    records = read_records(path)
    change(records)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def edit_arrays(path: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    with np.load(path) as stored:
        arrays = {key: stored[key].copy() for key in stored.files}
    change(arrays)
    np.savez(path, **arrays)
