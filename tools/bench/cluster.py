"""What a cluster costs: jobs a second, overhead of a job, and one worker against two."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from distributed import LocalCluster
from typing_extensions import override

from onnx_lippa.attacks import Lippa, Pgd
from onnx_lippa.method import Job, Pool, RadiusOrder, SingleStage, Stage, make_jobs
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.runs.cluster.pool import Cluster
from onnx_lippa.runs.workers import Workers
from onnx_lippa.spec import (
    InputSpecification,
    Norm,
    Problem,
    ProblemSet,
    Specification,
    Targets,
    get_norm,
)
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result, Verdict
from tools.bench.common import header, row


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="its .npz lies beside it")
    parser.add_argument("--eps", type=float, default=0.05)
    parser.add_argument("--jobs", type=int, default=400, help="jobs of one input, nearly empty")
    parser.add_argument(
        "--inputs",
        type=int,
        default=500,
        help="inputs of a real attack; fewer than 100 are too few jobs for two workers",
    )


def run(options: Namespace) -> None:
    """Prints the table. An attack has 25 inputs a job; a quiet machine has a load of 2 at most."""
    header(
        "where", "workers", "start, s", "small jobs per s", "ms per small job",
        "CPU ms per job in client and scheduler", "100 jobs that wait 0.2 s, s",
        "40 jobs of 0.5 CPU s, s", "attack, s", "load",
    )  # fmt: skip
    model = load(options.model)
    for count in (1, 2):
        with Workers(model, count) as pool:
            measure("processes here", model, pool, options, 0.0)
        with cluster(count) as address:
            started = time.monotonic()
            with Cluster(model, address) as pool:
                measure("Dask", model, pool, options, time.monotonic() - started)


@contextmanager
def cluster(count: int) -> Iterator[str]:
    """A scheduler and so many workers on this machine."""
    with LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None
    ) as local:
        yield local.scheduler_address


def measure(where: str, model: Model, pool: Pool, options: Namespace, start: float) -> None:
    """One row of the table."""
    small = problems(model, options, options.jobs)
    list(pool.run(jobs(small, Pgd(restarts=0), 1)))  # sessions are opened
    count, began, spent = pool.count, time.monotonic(), time.process_time()
    list(pool.run(jobs(small, Pgd(restarts=0), 1)))
    each = (time.monotonic() - began) / options.jobs
    spent = (time.process_time() - spent) / options.jobs
    began = time.monotonic()
    list(pool.run(jobs(problems(model, options, 100), Wait(0.2), 1)))
    waited = time.monotonic() - began
    began = time.monotonic()
    list(pool.run(jobs(problems(model, options, 40), Compute(0.5), 1)))
    computed = time.monotonic() - began
    real = problems(model, options, options.inputs)
    began = time.monotonic()
    list(pool.run(jobs(real, Lippa(), SingleStage.inputs_together)))
    whole = time.monotonic() - began
    row(
        where,
        count,
        f"{start:.2f}",
        f"{1 / each:.0f}",
        f"{1000 * each:.1f}",
        f"{1000 * spent:.1f}",
        f"{waited:.1f}",
        f"{computed:.1f}",
        f"{whole:.1f}",
        f"{os.getloadavg()[0]:.1f}",
    )


@dataclass(frozen=True)
class Idle(SingleStage):
    """Spends so many seconds on each problem, and finds nothing."""

    seconds: float
    stage: ClassVar[Stage] = Stage.GRADIENTS
    radius_order: ClassVar[RadiusOrder] = RadiusOrder.ASCENDING

    @abstractmethod
    def spend(self) -> None:
        """Spends them."""

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        """Anything will do."""

    @override
    def solve(self, model: Model, problems: Sequence[Problem], budget: Budget) -> Iterator[Result]:
        for problem in problems:
            self.spend()
            yield Result(problem.index, Verdict.UNKNOWN)


@final
@dataclass(frozen=True)
class Wait(Idle):
    """Takes no processor: what is left is the time between jobs."""

    name: ClassVar[str] = "wait"

    @override
    def spend(self) -> None:
        time.sleep(self.seconds)


@final
@dataclass(frozen=True)
class Compute(Idle):
    """Takes a processor, in one thread, whatever else runs."""

    name: ClassVar[str] = "compute"

    @override
    def spend(self) -> None:
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass


def jobs(problems: ProblemSet, method: SingleStage, together: int) -> Iterator[Job]:
    return make_jobs(problems, method, Budget(), together)


def problems(model: Model, options: Namespace, count: int) -> ProblemSet:
    """The first inputs beside the model, repeated where there are fewer."""
    with np.load(options.model.with_suffix(".npz")) as data:
        names = ("x", "images", "inputs"), ("y", "labels")
        x, y = (next(data[one] for one in some if one in data.files) for some in names)
    x = np.resize(x.reshape(len(x), -1), (count, model.network.input_size)).astype(np.float32)
    y = np.resize(y.reshape(-1), count)
    asked = Specification(get_norm("linf"), InputSpecification(eps=options.eps), Targets())
    return ProblemSet(asked, np.arange(count), x, y, model.runtime.forward(x))
