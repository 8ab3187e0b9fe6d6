"""Quantises a float export with ONNX Runtime into ``tests/exports/quantized/``.

    python -m venv ../exports-torch && . ../exports-torch/bin/activate
    pip install onnx onnxruntime==1.32.0 sympy scikit-learn==1.9.0
    python -m tools.exports.pytorch  # in the environment it describes: its CNN is quantised
    python -m tools.exports.ort_quantization

Static quantisation writes pairs of QuantizeLinear and DequantizeLinear (QDQ) around every
operator, or operators of its own (QOperator); dynamic quantisation computes the scales at run
time. None of them is piecewise linear any more: rounding has steps.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from tools.exports.common import EXPORTS, STORED, Folder, digits, runtime_outputs, versions

CALIBRATION = 64


class Reader(CalibrationDataReader):
    """Hands images to the calibration, one at a time."""

    def __init__(self, name: str, x: np.ndarray) -> None:
        self.batches: Iterator[dict[str, np.ndarray]] = iter([{name: row[None]} for row in x])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def main() -> None:
    """Quantises the CNN in three ways."""
    folder = Folder("quantized", __file__)
    source = EXPORTS / "pytorch" / "cnn_legacy.onnx"
    data = digits((1, 8, 8))
    x, y = data.test_x[:STORED], data.test_y[:STORED]
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(source, prepared)
        for file, form in (
            ("cnn_qdq.onnx", QuantFormat.QDQ),
            ("cnn_qoperator.onnx", QuantFormat.QOperator),
        ):
            reader = Reader("input", data.train_x[:CALIBRATION])
            quantize_static(prepared, folder.path / file, reader, quant_format=form)
            add(folder, file, f"quantize_static(quant_format={form})", x, y)
        quantize_dynamic(prepared, folder.path / "cnn_dynamic.onnx")
        add(folder, "cnn_dynamic.onnx", "quantize_dynamic()", x, y)
    folder.close()


def add(folder: Folder, file: str, call: str, x: np.ndarray, y: np.ndarray) -> None:
    """Stores a quantised file; here ONNX Runtime is the framework itself."""
    outputs = runtime_outputs(folder.path / file, x)
    exporter = f"`onnxruntime.quantization.{call}`, {versions('onnxruntime')}"
    what = "`pytorch/cnn_legacy.onnx`, quantised to 8 bits"
    folder.add(file, what, exporter, x, y, outputs, kind="quantised")


if __name__ == "__main__":
    main()
