"""Inputs over which a worker fails, in every way there is. Workers import this module by name."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_info

from onnx_lippa.attacks import Settings
from onnx_lippa.runs.specification import RunSpecification
from onnx_lippa.spec import Problem

FAULTS = ("raise", "memory", "segfault", "kill", "exit", "hang", "hold")


def fail(kind: str) -> None:
    """Does what a faulty library may do; only in a worker where it would end the process."""
    if kind == "raise":
        raise ValueError("argmax of an empty sequence")
    if kind == "memory":
        raise MemoryError
    if multiprocessing.parent_process() is None:
        return
    if kind == "segfault":
        ctypes.string_at(0)
    elif kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "exit":
        os._exit(3)
    elif kind == "hang":
        time.sleep(3600)
    elif kind == "hold":
        ctypes.PyDLL(None).sleep(3600)  # in C, with Python's lock


@dataclass(frozen=True)
class FaultySpecification(RunSpecification):
    """Fails when the problem of some input is made, as a search may fail over it."""

    faults: tuple[tuple[int, str], ...] = ()

    def problem(self, index: int, *rest: Any) -> Problem:
        kind = dict(self.faults).get(index)
        if kind is not None:
            fail(kind)
        return super().problem(index, *rest)


@dataclass(frozen=True)
class FaultySettings(Settings):
    """Fails when the time limit of an attack is set, which is done for every question."""

    fault: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fault and self.time_limit < 1e6:
            fail(self.fault)


def count_threads(_state: Any, _task: Any) -> Iterator[int]:
    """Threads that a worker's linear algebra takes."""
    yield max(library["num_threads"] for library in threadpool_info())
