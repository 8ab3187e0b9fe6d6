"""Random piecewise-linear ONNX graphs, to fuzz the importer and all that is built on it.

From the root of the repository::

    python -m tests.support.random_graphs --seed 0 --count 100 --out DIR

writes models. ``--check`` in place of ``--out`` holds each against onnx_lippa and prints a table of
outcomes, ``--shrink`` prints for each a small graph with the same outcome. ``--families`` uses the
named families of :mod:`tests.support.random_graphs.table` alone.
"""

from tests.support.random_graphs.graph import graph_of_seed, random_graph

__all__ = ["graph_of_seed", "random_graph"]
