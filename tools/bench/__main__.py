"""The command: ``python -m tools.bench TABLE ...`` prints one table in Markdown."""

from __future__ import annotations

import argparse
import importlib

from tools.bench.common import machine

TABLES = {
    "table2": "the ten rows of the paper's Table 2, attacked by whole commands",
    "ingredients": "what each part of the attack adds",
    "gradient": "value and gradient: ONNX Runtime, NumPy, PyTorch (needs PyTorch)",
    "engines": "LP steps of both engines in the same regions",
    "quadratic": "LP steps in the l2 norm by two solvers",
    "instances": "attacks on a list of VNN-LIB instances",
    "networks": "load time, memory and gradient of the networks of a list",
    "scaling": "LP steps against the number of ReLUs",
    "audit": "robust error from both sides on the rows of Table 2",
    "bounds": "what each bound proves without a search",
    "mip": "formulations of the mixed-integer program",
    "unsat": "proofs on a list of VNN-LIB instances",
    "free_neurons": "ways to choose free neurons, sizes of their sets",
    "overhead": "shares of a run that its folder and each report cost",
    "cluster": "jobs a second on a Dask cluster, and one worker against two",
    "square": "Square beside the one of torchattacks (needs PyTorch and torchattacks)",
    "paper": "the figures and tables of the paper, and what goes beyond them",
    "distances": "minimal distances beside foolbox, torchattacks and ART (needs them)",
    "gradient_attacks": "FGSM, BIM, PGD and APGD beside torchattacks and foolbox (needs both)",
    "autoattack": "AutoAttack on the same files (needs PyTorch and torchattacks)",
}
"""Each is a module with ``add_arguments(parser)`` and ``run(options)``."""


def main() -> None:
    """Runs one table, and states the machine and the versions below it."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    tables = parser.add_subparsers(dest="table", required=True, metavar="TABLE")
    for name, summary in TABLES.items():
        tables.add_parser(name, help=summary, add_help=False)  # its own help comes below
    chosen, rest = parser.parse_known_args()
    module = importlib.import_module(f"tools.bench.{chosen.table}")
    own = argparse.ArgumentParser(
        prog=f"python -m tools.bench {chosen.table}", description=TABLES[chosen.table]
    )
    module.add_arguments(own)
    module.run(own.parse_args(rest))
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
