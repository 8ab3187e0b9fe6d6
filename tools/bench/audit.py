"""Robust error from both sides on the rows of Table 2: whole audit commands on 1000 inputs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from tools.bench.common import add_models_and_data, header, row, run_command


@dataclass(frozen=True)
class Audited:
    """A row of the audit table: its network, radius, and minutes given."""

    name: str
    eps: float
    minutes: float
    published: str


AUDITED = (
    Audited("LPD_MLP_B_0.2", 0.2, 1, "38.3 to 36.33*"),
    Audited("ADV_MLP_B_0.1", 0.1, 20, "20.40 to 34.3*"),
    Audited("MMR_MLP_C", 0.1, 20, "22.5 to 24.9"),
    Audited("MMR_CNN", 0.1, 20, "6 to 6"),
    Audited("MMR_ADV_MLP_C", 0.1, 20, "14 to 14.1"),
    Audited("MMR_ADV_CNN", 0.1, 20, "3.6 to 3.6"),
    Audited("ADV_CNN", 0.1, 30, "4.50 to 100"),
    Audited("ADV_MLP_C", 0.1, 30, "11.90 to 99"),
    Audited("NOR_MLP_B", 0.05, 60, "63.30 to 94.04*"),
    Audited("NOR_MLP_C", 0.1, 20, "94.3 to 100"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    add_models_and_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--minutes", type=float, help="the budget of every row")


def run(options: Namespace) -> None:
    """Prints the table."""
    header(
        "row", "eps", "robust error, lower", "upper", "open", "published", "budget, min",
        "whole command, s", "proven by linear bounds", "by search", "nodes",
    )  # fmt: skip
    for one in AUDITED:
        if options.rows and one.name not in options.rows:
            continue
        minutes = options.minutes or one.minutes
        said, seconds = run_command(
            "audit", options.models / f"{one.name}.onnx", options.data, "--eps", one.eps,
            "--first", 1000, "--budget", 60 * minutes, "--time-limit", 60 * minutes,
            "--out", options.out / one.name,
        )  # fmt: skip
        error, proven = said["robust_error"], said["proved_by"]
        row(
            one.name, one.eps, f"**{error['lower']:.1%}**", f"**{error['upper']:.1%}**",
            said["counts"]["unknown"], one.published, f"{minutes:g}", f"{seconds:.0f}",
            proven["linear"], proven["complete"], said["nodes"],
        )  # fmt: skip
