"""What the export scripts share: the training data, and how an export is stored and described.

Every script keeps one file ``exports.json`` in its folder below ``tests/exports/``: what each
file is, who wrote it and from what data. ``python -m tools.exports.common`` writes the tables of
``tests/exports/README.md`` from these files and prints the operators of every export (it needs
numpy, onnx and onnxruntime only).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

SEED = 0
ROOT = Path(__file__).resolve().parents[2]
EXPORTS = ROOT / "tests" / "exports"
STORED = 16
"""Inputs stored beside each export."""
LARGEST = 60_000
"""Most bytes of an export."""
TOLERANCE = {"float32": 2e-5, "float64": 1e-10}
"""How far an export may be from its framework, relative to the largest output."""
DIGITS = "digits"
TABLES_BEGIN = "<!-- tables: written by tools/exports/common.py -->"
TABLES_END = "<!-- end of tables -->"


@dataclass(frozen=True)
class Split:
    """Data to train on and data to store; inputs are float32."""

    train_x: NDArray[np.float32]
    train_y: NDArray[Any]
    test_x: NDArray[np.float32]
    test_y: NDArray[Any]


@dataclass(frozen=True)
class Export:
    """The provenance of one export.

    Attributes:
        file: its name within the folder of its exporter.
        what: the network.
        exporter: the call that wrote it, with the versions of all packages involved.
        data: what it was trained on.
        kind: classifier, regressor, conditional (a classifier in which comparisons choose between
            tensors), or what keeps it from being attacked: quantised.
        domain: least and greatest value of an input.
        script: the script that made it.
        date: the day it was made.
    """

    file: str
    what: str
    exporter: str
    data: str
    kind: str
    domain: tuple[float, float]
    script: str
    date: str


class Folder:
    """A folder of exports, and its ``exports.json``."""

    def __init__(self, name: str, script: str) -> None:
        self.path = EXPORTS / name
        self.path.mkdir(parents=True, exist_ok=True)
        self.script = Path(script).name
        self.exports: list[Export] = []

    def add(
        self,
        file: str,
        what: str,
        exporter: str,
        x: NDArray[Any],
        y: NDArray[Any],
        outputs: NDArray[Any],
        *,
        data: str = DIGITS,
        kind: str = "classifier",
        domain: tuple[float, float] = (0.0, 1.0),
        output: str | None = None,
    ) -> None:
        """Stores inputs and the framework's outputs beside an export that has been written.

        Args:
            file: name of the export.
            what: the network, in a few words.
            exporter: what wrote it, with versions.
            x: (n, ...) inputs, in the type that the framework was given.
            y: (n,) labels or target values.
            outputs: (n, ...) what the framework itself computes for them.
            data: the training data.
            kind: as in :class:`Export`.
            domain: least and greatest value of an input.
            output: the output of the export to compare; the last one when None.
        """
        path = self.path / file
        outputs = np.asarray(outputs)
        without_traces(path)
        if path.stat().st_size > LARGEST:
            raise SystemExit(f"{file} has {path.stat().st_size} bytes")
        np.savez_compressed(path.with_suffix(".npz"), x=x.astype(np.float32), y=y, outputs=outputs)
        difference = np.abs(runtime_outputs(path, x, output) - outputs).max()
        relative = difference / np.abs(outputs).max()
        print(f"{self.path.name}/{file}: {path.stat().st_size} bytes, off by {relative:.2g}")
        if kind != "quantised" and relative > TOLERANCE[outputs.dtype.name]:
            raise SystemExit(f"{file} differs from the framework")
        date = datetime.now(UTC).date().isoformat()
        self.exports.append(Export(file, what, exporter, data, kind, domain, self.script, date))

    def close(self) -> None:
        """Writes ``exports.json``."""
        entries = [asdict(export) for export in self.exports]
        (self.path / "exports.json").write_text(json.dumps(entries, indent=1) + "\n")


def digits(shape: tuple[int, ...] = (64,)) -> Split:
    """scikit-learn's 8x8 digits in [0, 1]."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  # the tables do without it

    pixels, labels = load_digits(return_X_y=True)
    return split((pixels / 16).reshape(-1, *shape), labels)


def split(x: NDArray[Any], y: NDArray[Any], train: float = 0.8) -> Split:
    """Shuffles, and leaves a part out of the training."""
    order = np.random.default_rng(SEED).permutation(len(x))
    x, y, edge = x[order].astype(np.float32), y[order], int(train * len(x))
    return Split(x[:edge], y[:edge], x[edge:], y[edge:])


def versions(*packages: str) -> str:
    """The versions of some packages, as pip writes them."""
    return ", ".join(f"{package} {version(package).split('+')[0]}" for package in packages)


def without_traces(path: Path) -> None:
    """Takes out stack traces, which name folders of the machine; nothing that is computed.

    A file without any is left as its exporter wrote it.
    """
    model = onnx.load(path, load_external_data=False)
    graphs = [model.graph, *model.functions]
    found = False
    for owner in [model, *graphs, *(node for graph in graphs for node in graph.node)]:
        kept = [p for p in owner.metadata_props if not _is_trace(p.key + p.value)]
        if len(kept) != len(owner.metadata_props):
            found = True
            del owner.metadata_props[:]
            owner.metadata_props.extend(kept)
        if _is_trace(owner.doc_string):
            found = True
            owner.ClearField("doc_string")
    if found:
        path.write_bytes(model.SerializeToString())


def _is_trace(text: str) -> bool:
    return "stack_trace" in text or re.search(r"/\S+/\S+", text) is not None


def runtime_outputs(path: Path, x: NDArray[Any], output: str | None = None) -> NDArray[Any]:
    """What ONNX Runtime gives, one input at a time where the batch is fixed."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    batches = x[:, None] if entry.shape[0] == 1 else [x]
    name = output or session.get_outputs()[-1].name
    results = [session.run([name], {entry.name: batch})[0] for batch in batches]
    if isinstance(results[0], list):  # a ZipMap's dictionaries
        results = [np.array([list(row.values()) for row in rows]) for rows in results]
    return np.concatenate(results)


def describe(path: Path) -> str:
    """Inputs, outputs, opsets, operators and unusual attributes of a file."""
    model = onnx.load(path)
    opsets = ", ".join(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import)
    lines = [
        f"{path.parent.name}/{path.name} ({path.stat().st_size} bytes; {opsets}; ir "
        f"{model.ir_version}; {model.producer_name} {model.producer_version})"
    ]
    for title, values in (("in", model.graph.input), ("out", model.graph.output)):
        lines += [f"  {title}  {value.name}: {_type(value)}" for value in values]
    counts = Counter(_operator(node) for node in model.graph.node)
    lines.append("  " + ", ".join(f"{op} {n}" for op, n in sorted(counts.items())))
    seen = Counter(
        f"{_operator(node)}({', '.join(filter(None, map(_attribute, node.attribute)))})"
        for node in model.graph.node
        if node.attribute and node.op_type != "Constant"
    )
    lines += [f"    {n} x {text}" for text, n in seen.items()]
    if model.functions:
        lines.append(f"  functions: {', '.join(f.name for f in model.functions)}")
    return "\n".join(lines)


def _operator(node: onnx.NodeProto) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type


def _attribute(attribute: onnx.AttributeProto) -> str:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, onnx.TensorProto | onnx.GraphProto):
        value = type(value).__name__
    return f"{attribute.name}={value}"


def _type(value: onnx.ValueInfoProto) -> str:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return str(kind)
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()} of any shape"
    sizes = (
        d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?")
        for d in tensor.shape.dim
    )
    return f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()}[{', '.join(sizes)}]"


def tables() -> str:
    """A table of the exports for each folder, in Markdown."""
    parts = []
    for listing in sorted(EXPORTS.glob("*/exports.json")):
        exports = [Export(**entry) for entry in json.loads(listing.read_text())]
        parts += [
            f"## {listing.parent.name}",
            "",
            f"Made by `tools/exports/{exports[0].script}`.",
            "",
            "| file | what it is | exporter | opset | bytes | trained on | date |",
            "|---|---|---|---|---:|---|---|",
        ]
        for export in exports:
            path = listing.parent / export.file
            opsets = onnx.load(path, load_external_data=False).opset_import
            standard = max(o.version for o in opsets if o.domain in ("", "ai.onnx"))
            parts.append(
                f"| `{export.file}` | {export.what} | {export.exporter} | {standard} | "
                f"{path.stat().st_size} | {export.data} | {export.date} |"
            )
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Rewrites the tables of the README and prints what is in every file."""
    readme = EXPORTS / "README.md"
    text = readme.read_text()
    before, after = text.split(TABLES_BEGIN)[0], text.split(TABLES_END)[1]
    readme.write_text(f"{before}{TABLES_BEGIN}\n\n{tables()}\n{TABLES_END}{after}")
    for path in sorted(EXPORTS.glob("*/*.onnx")):
        print(describe(path))


if __name__ == "__main__":
    main()
