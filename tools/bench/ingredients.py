"""What each part of the attack adds on one network: whole commands with parts left out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from tools.bench.common import add_model_and_data, header, row, run_command

VARIANTS: tuple[tuple[str, list[str]], ...] = (
    ("PGD, one round", ["--method", "pgd", "--restarts", "0"]),
    ("PGD, 8 restarts", ["--method", "pgd"]),
    ("one round, LP from its end points", ["--restarts", "0", "--lp-steps", "0"]),
    ("one round, LP, Algorithm 1", ["--restarts", "0"]),
    ("8 restarts, LP from each round", ["--lp-steps", "0"]),
    ("all (default)", []),
)
MINIMAL: tuple[tuple[str, list[str]], ...] = (
    ("gradients alone", ["--method", "pgd"]),
    ("with distance-mode LPs", []),
)


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    add_model_and_data(parser, eps=0.1)
    parser.add_argument("--first", type=int, default=1000, help="inputs to attack")


def run(options: Namespace) -> None:
    """Prints both tables."""
    model = [options.model, options.data]
    header("variant", "robust error", "by gradients", "only by LPs", "seconds")
    for name, extra in VARIANTS:
        summary, seconds = run_command(
            "attack", *model, "--eps", options.eps, "--first", options.first, *extra
        )
        found = summary["found_by"]
        error = f"{summary['robust_error']['lower']:.1%}"
        row(name, error, found["gradient"], found["lp"], f"{seconds:.1f}")
    print()
    header("minimal distortion", "median distance", "seconds")
    for name, extra in MINIMAL:
        summary, seconds = run_command("attack", *model, "--first", 50, *extra)
        row(name, f"{summary['median_distance']:.6f}", f"{seconds:.1f}")
