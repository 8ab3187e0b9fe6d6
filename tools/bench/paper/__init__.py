"""The figures and tables of the paper, and what goes beyond them, from ONNX files.

``python -m tools.bench paper all MODELS DATA.npz --out FOLDER`` makes all of them; a part's name
instead of ``all`` makes that one. Each part is a module with ``make(setting)``.
"""

from __future__ import annotations

import importlib
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from tools.bench.paper.setting import Setting

PARTS = {
    "figure1": "linear regions over a plane, coloured by class",
    "figure2": "regions that a hidden layer can represent",
    "figure3": "the path of a LiPPA run",
    "figure4": "regions found against samples, and Table 1: unstable ReLUs",
    "table2": "robust error by every attack in equal time, published figures, proven bounds",
    "table3": "how long searches take that fail and that succeed",
    "budgets": "every attack at 10, 60 and 300 s for a thousand images, and all together",
    "distances": "minimal distortion by every attack",
    "unseen": "networks trained by other recipes, beside AutoAttack (needs PyTorch)",
}


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the parts."""
    parts = "; ".join(f"{name}: {summary}" for name, summary in PARTS.items())
    parser.add_argument("part", choices=["all", *PARTS], help=f"all, or one of them. {parts}")
    parser.add_argument("models", type=Path, help="folder of the networks")
    own = "images and labels; by default each network's own .npz beside it"
    parser.add_argument("data", type=Path, nargs="?", metavar="DATA.npz", help=own)
    parser.add_argument("--out", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--quick", action="store_true", help="few inputs, and little time")
    parser.add_argument("--rows", nargs="*", help="only these networks")
    parser.add_argument("--seconds", type=float, help="wall time of each attack on each network")
    parser.add_argument("--methods", nargs="*", help="only these attacks")


def run(options: Namespace) -> None:
    """Makes the parts that are wanted."""
    setting = Setting.read(options)
    for name in PARTS if options.part == "all" else [options.part]:
        if name == "unseen" and options.part == "all":
            continue  # it trains networks, with PyTorch
        started = time.perf_counter()
        print(f"\n## {name}: {PARTS[name]}\n", flush=True)
        importlib.import_module(f"tools.bench.paper.{name}").make(setting)
        print(f"\n{name}: {time.perf_counter() - started:.0f} s", flush=True)
