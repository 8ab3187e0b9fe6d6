"""What the parts share: networks and images, and files and pictures of what they find."""

from __future__ import annotations

import csv
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from onnx_lippa import load
from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.onnx_io import Model
from tools.bench.common import header, labelled, row
from tools.bench.published import PUBLISHED, Published

Cell = str | int | float | None
"""A number, a word, or nothing."""
mpl.use("Agg")
mpl.rcParams.update({"figure.dpi": 150, "font.size": 9, "svg.hashsalt": "onnx-lippa"})


@dataclass(frozen=True)
class Network:
    """A network of a table.

    Attributes:
        name: its name.
        path: its file.
        eps: the radius at which it is attacked.
        published: what is published about it; None for another network.
    """

    name: str
    path: Path
    eps: float
    published: Published | None

    def load(self) -> Model:
        """The model."""
        return load(self.path)


@dataclass(frozen=True)
class Setting:
    """Where things are, and how much is spent.

    Attributes:
        models: folder of the networks.
        data: images and labels; None for each network's own.
        out: folder for what is made.
        quick: whether little time is spent.
        rows: the networks that are wanted; None for all.
        seconds: wall time of each attack on each network; None is the part's own.
        methods: the attacks that are wanted; None for all.
    """

    models: Path
    data: Path | None
    out: Path
    quick: bool
    rows: tuple[str, ...] | None
    seconds: float | None
    methods: tuple[str, ...] | None

    @classmethod
    def read(cls, options: Namespace) -> Setting:
        """From the command line."""
        options.out.mkdir(parents=True, exist_ok=True)
        rows, methods = (
            None if names is None else tuple(names) for names in (options.rows, options.methods)
        )
        return cls(
            options.models, options.data, options.out, options.quick, rows, options.seconds, methods
        )

    def networks(self) -> list[Network]:
        """The networks of the paper's tables that are in the folder, or else its MNIST networks."""
        known = [one for one in PUBLISHED if (self.models / f"{one.name}.onnx").exists()]
        if known:
            found = [Network(o.name, self.models / f"{o.name}.onnx", o.eps, o) for o in known]
        else:
            paths = sorted(self.models.glob("mnist_*.onnx"))
            found = [
                Network(path.stem, path, 0.1 if path.stem.endswith("adv") else 0.05, None)
                for path in paths
            ]
        wanted = [one for one in found if self.rows is None or one.name in self.rows]
        if not wanted:
            names = ", ".join(one.name for one in found) or "none of the paper's"
            sys.exit(f"{self.models} has no network that is wanted; those it has: {names}")
        return wanted

    def some_networks(self, names: Sequence[str]) -> list[Network]:
        """The paper's networks of these names, where no others are wanted, or else all others."""
        wanted = self.rows or names
        return [one for one in self.networks() if one.published is None or one.name in wanted]

    def images(self, network: Network, model: Model, count: int) -> tuple[Floats, Integers]:
        """The first images and their labels."""
        x, y = labelled(model, self.data or network.path.with_suffix(".npz"))
        return x[:count], y[:count]

    @property
    def whole(self) -> Path | None:
        """MNIST's whole test set, where it lies beside the data."""
        path = None if self.data is None else self.data.parent / "t10k-images-idx3-ubyte.gz"
        return path if path is not None and path.exists() else None

    def few(self, full: int, quick: int) -> int:
        """A number of inputs, or samples, by how much is spent."""
        return quick if self.quick else full

    def begin(self, name: str, *columns: str) -> Table:
        """A table of that name without rows yet."""
        table = Table(self.out / name, columns)
        table.write()
        header(*columns)
        return table

    def draw(self, name: str, figure: Figure) -> None:
        """Writes a picture as PNG and SVG."""
        figure.savefig(self.out / f"{name}.png")
        figure.savefig(self.out / f"{name}.svg", metadata={"Date": None})


@dataclass(frozen=True)
class Table:
    """A table that is written row by row: one that is interrupted keeps what it has.

    Attributes:
        path: its files, without their suffixes.
        columns: names of the columns.
        rows: the rows so far.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Prints a row, and writes the table with it."""
        self.rows.append(cells)
        row(*map(show, cells))
        self.write()

    def write(self) -> None:
        """Writes the table as CSV and JSON."""
        with self.path.with_suffix(".csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(self.rows)
        records = [dict(zip(self.columns, cells, strict=True)) for cells in self.rows]
        self.path.with_suffix(".json").write_text(json.dumps(records, indent=1) + "\n")


def show(cell: Cell) -> str:
    """A cell for people."""
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
