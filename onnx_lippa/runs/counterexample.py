"""Counterexamples in the format of the verification competition."""

from __future__ import annotations

from pathlib import Path

from onnx_lippa.errors import InputError
from onnx_lippa.runs.files import replace_file
from onnx_lippa.runs.finding import Finding


def counterexample_text(found: Finding) -> str:
    """Inputs and outputs as ``((X_0 0.5) ... (Y_0 1.25) ...)``, each number exactly.

    The outputs are those that ONNX Runtime gives. Every number is written with as many digits as
    it takes to read the same float64 back, so none changes.
    """
    if found.x is None or found.outputs is None:
        return ""
    pairs = [f"(X_{i} {float(value)!r})" for i, value in enumerate(found.x)]
    pairs += [f"(Y_{j} {float(value)!r})" for j, value in enumerate(found.outputs)]
    return "(" + "\n".join(pairs) + ")"


def write_counterexample(path: Path, found: Finding) -> None:
    """Writes a counterexample to a file.

    Raises:
        InputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    replace_file(path, counterexample_text(found).encode() + b"\n")
