"""Audits a scikit-learn pipeline in the units of its columns, and fails where it is too fragile.

Diagnoses from measurements of cells: by how much may each measurement be wrong, before the
diagnosis changes? A measurement is taken to be exact to a share of its spread in the data. Ends
with exit code 4 where more than the given share of the diagnoses can change:

    python examples/sklearn_pipeline.py --at-most 0.25
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onnx_lippa


def main() -> int:
    """Trains, exports, audits; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--error", type=float, default=0.05, help="error of a measurement")
    parser.add_argument("--at-most", type=float, default=0.25, help="limit of the robust error")
    parser.add_argument("--out", type=Path, default=Path("lippa-out-sklearn"))
    options = parser.parse_args()

    table = load_breast_cancer(as_frame=True)
    names = [name.replace(" ", "_") for name in table.feature_names]
    x = table.data.to_numpy(np.float32)
    train, test, y_train, y_test = train_test_split(
        x, table.target.to_numpy(), test_size=60, random_state=0
    )
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier((16, 16), alpha=0.01, max_iter=200, random_state=0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could be trained longer
        pipeline.fit(train, y_train)

    # The scaler is part of the file, so that inputs, radii and bounds have the units of the table.
    options.out.mkdir(exist_ok=True)
    path = options.out / "diagnosis.onnx"
    final = pipeline.steps[-1][1]
    graph = to_onnx(pipeline, x[:1], options={id(final): {"zipmap": False}}, target_opset=17)
    path.write_bytes(graph.SerializeToString())

    results = onnx_lippa.audit(
        path,
        test,
        y_test,
        eps=dict(zip(names, (options.error * train.std(axis=0)).tolist(), strict=True)),
        lower=0.0,
        upper=x.max(axis=0),
        fixed=["symmetry_error", "worst_symmetry"],  # measured by hand, and believed
        data_options=onnx_lippa.DataOptions(features=names),
        budget=60,
        out=options.out / "audit",
    )
    print(results.summary())

    for result in results:
        if result.witness is not None:
            clean = test[result.index]
            moved = np.argsort(-np.abs((result.witness.x - clean) / clean))[:3]
            changes = [f"{names[i]} {clean[i]:.4g} -> {result.witness.x[i]:.4g}" for i in moved]
            print(f"diagnosis {result.index} changes with: {', '.join(changes)}, ...")

    gate = onnx_lippa.check(results, fail_over=f"robust_error={options.at_most}")
    for failure in gate.failures:
        print(f"gate failed: {failure.sentence}")
    return 0 if gate.passed else onnx_lippa.GateError.exit_code


if __name__ == "__main__":
    sys.exit(main())
