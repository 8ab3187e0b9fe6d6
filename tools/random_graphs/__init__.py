"""Random piecewise-linear ONNX graphs, to fuzz the importer and all that is built on it.

``python -m tools.random_graphs --seed 0 --count 100 --out DIR`` writes models, with ``--check``
it loads each by onnx_lippa as well and prints a table of what came out.
"""

from tools.random_graphs.graph import graph_of_seed, random_graph

__all__ = ["graph_of_seed", "random_graph"]
