"""Writes random graphs, or checks what becomes of them in onnx_lippa."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.support.random_graphs.check import outcome, outcomes, shrunk_by_outcome
from tests.support.random_graphs.graph import graph_of_seed
from tests.support.random_graphs.shrink import described
from tests.support.random_graphs.table import WEIGHTS, weights_named


def main() -> None:
    """Writes the graphs of some seeds, or tells what becomes of them in onnx_lippa."""
    parser = argparse.ArgumentParser(prog="random_graphs", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first graph")
    parser.add_argument("--count", type=int, default=100, help="number of graphs")
    parser.add_argument("--size", type=int, help="operators a graph is grown by")
    parser.add_argument("--families", help="names of the only families to use, comma-separated")
    parser.add_argument("--out", type=Path, help="folder to write the models into")
    parser.add_argument("--check", action="store_true", help="load each, and print the outcomes")
    parser.add_argument("--shrink", action="store_true", help="print a small graph alike to each")
    arguments = parser.parse_args()
    if [arguments.out is not None, arguments.check, arguments.shrink].count(True) != 1:
        parser.error("give one of --out DIR, --check and --shrink")
    try:
        weights = weights_named(arguments.families.split(",")) if arguments.families else WEIGHTS
    except ValueError as error:
        parser.error(f"--families: {error}")
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    graphs = ((seed, graph_of_seed(seed, arguments.size, weights)) for seed in seeds)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for seed, model in graphs:
            (arguments.out / f"graph_{seed}.onnx").write_bytes(model.SerializeToString())
        print(f"{len(seeds)} models in {arguments.out}")
        return
    if arguments.check:
        print(outcomes(graphs))
        return
    for seed, model in graphs:
        small = shrunk_by_outcome(model)
        found = outcome(small)
        print(f"seed {seed}: {found.kind} {'; '.join(found.reasons)}\n{described(small)}\n")


if __name__ == "__main__":
    main()
