"""LP steps in the l2 norm, Clarabel and PDLP, in the regions where PGD ends."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from tools.bench import engines

VARIANTS: tuple[engines.Variant, ...] = (
    ("rows", "clarabel", "distance"),
    ("rows", "pdlp", "distance"),
    ("rows", "clarabel", "margin"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    engines.add_arguments(parser, eps=0.5)


def run(options: Namespace) -> None:
    """Prints the table."""
    engines.print_lp_times(options, "l2", VARIANTS)
