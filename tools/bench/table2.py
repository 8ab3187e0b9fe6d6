"""The rows of the paper's Table 2: whole attack commands on 1000 inputs, each then replayed."""

from __future__ import annotations

import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path

from tools.bench.common import ROWS, add_models_and_data, header, peak_megabytes, row, run_command


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    add_models_and_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")


def run(options: Namespace) -> None:
    """Prints the table."""
    header(
        "row", "eps", "clean", "robust error", "by gradients", "only by LPs", "whole command, s",
        "s per broken", "s per unbroken", "LPSteps", "LPSteps per s", "LP share",
    )  # fmt: skip
    for name, eps in ROWS:
        if options.rows and name not in options.rows:
            continue
        out = options.out / name
        summary, seconds = run_command(
            "attack", options.models / f"{name}.onnx", options.data,
            "--eps", eps, "--first", 1000, "--out", out,
        )  # fmt: skip
        subprocess.run(["onnx-lippa", "replay", str(out)], check=True, stdout=subprocess.DEVNULL)
        lp, steps = summary["lp_seconds"], summary["lp_steps"]
        row(
            name, eps, f"{summary['clean_error']:.1%}",
            f"**{summary['robust_error']['lower']:.1%}**", summary["found_by"]["gradient"],
            summary["found_by"]["lp"], f"{seconds:.1f}", f"{summary['seconds_per_broken']:.3f}",
            f"{summary['seconds_per_unbroken']:.3f}", steps, f"{steps / max(lp, 1e-9):.0f}",
            f"{lp / (summary['workers'] * seconds):.0%}",
        )  # fmt: skip
    print(
        f"\nReplay passed for every row. Largest process: {peak_megabytes(children=True):.0f} MB."
    )
