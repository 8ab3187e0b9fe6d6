"""Exports scikit-learn's networks with skl2onnx into ``tests/exports/sklearn/``.

    python -m venv ../exports-sklearn && . ../exports-sklearn/bin/activate
    pip install skl2onnx==1.20.0 scikit-learn==1.9.0 onnx onnxruntime
    python -m tools.exports.scikit_learn

The data are those that come with scikit-learn.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tools.exports.common import SEED, STORED, Folder, Split, digits, split, versions

PACKAGES = versions("skl2onnx", "scikit-learn")
NO_ZIPMAP = {"zipmap": False}


class Exporter:
    """One folder, and how its files are called."""

    def __init__(self) -> None:
        self.folder = Folder("sklearn", __file__)

    def add(
        self,
        file: str,
        what: str,
        model: MLPClassifier | MLPRegressor,
        data: Split,
        source: str,
        options: dict[str, bool] | None = None,
        domain: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        """Exports a fitted model as a user would."""
        proto = to_onnx(model, data.train_x[:1], options=options)
        (self.folder.path / file).write_bytes(proto.SerializeToString())
        x, y = data.test_x[:STORED], data.test_y[:STORED]
        classifies = hasattr(model, "predict_proba")
        outputs = model.predict_proba(x) if classifies else model.predict(x)[:, None]
        shown = "" if options is None else f", options={options}"
        self.folder.add(
            file, what, f"`skl2onnx.to_onnx(model, x[:1]{shown})`, {PACKAGES}", x,
            places(model.classes_, y) if classifies else y, outputs.astype(np.float32),
            data=source, kind="classifier" if classifies else "regressor", domain=domain,
        )  # fmt: skip


def places(classes: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each label among the classes."""
    return np.searchsorted(classes, labels).astype(np.int64)


def scaled(x: NDArray[Any]) -> NDArray[Any]:
    """Every feature from 0 to 1."""
    return (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))


def classifier(*hidden: int, **settings: object) -> MLPClassifier:
    """A network that is trained for a moment."""
    return MLPClassifier(hidden, max_iter=300, random_state=SEED, **settings)


def main() -> None:
    """Trains and exports everything."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    exporter = Exporter()
    data = digits()
    model = classifier(24, 16).fit(data.train_x, data.train_y)
    print(f"digits: accuracy {model.score(data.test_x, data.test_y):.3f}")
    what = "MLPClassifier 64-24-16, 10 classes; label and "
    exporter.add("digits_zipmap.onnx", what + "a list of dictionaries", model, data, "digits")
    exporter.add("digits.onnx", what + "probabilities", model, data, "digits", NO_ZIPMAP)

    data = split(scaled(load_breast_cancer().data), load_breast_cancer().target)
    model = classifier(12).fit(data.train_x, data.train_y)
    print(f"breast cancer: accuracy {model.score(data.test_x, data.test_y):.3f}")
    what = "MLPClassifier 30-12, 2 classes; label and "
    source = "breast cancer, features scaled to [0, 1]"
    exporter.add("binary_zipmap.onnx", what + "a list of dictionaries", model, data, source)
    exporter.add("binary.onnx", what + "probabilities", model, data, source, NO_ZIPMAP)

    iris = load_iris()
    data = split(iris.data, iris.target)
    model = make_pipeline(StandardScaler(), classifier(10)).fit(data.train_x, data.train_y)
    print(f"iris: accuracy {model.score(data.test_x, data.test_y):.3f}")
    what = "Pipeline(StandardScaler, MLPClassifier 4-10), 3 classes"
    exporter.add(
        "pipeline.onnx", f"{what}; label and probabilities", model, data, "iris, in centimetres",
        NO_ZIPMAP, (0.0, 8.0),
    )  # fmt: skip
    data = split(iris.data, iris.target_names[iris.target])
    model = make_pipeline(StandardScaler(), classifier(10)).fit(data.train_x, data.train_y)
    exporter.add(
        "pipeline_names_zipmap.onnx",
        f"{what} that are strings; label and a list of dictionaries",
        model, data, "iris, in centimetres", None, (0.0, 8.0),
    )  # fmt: skip

    diabetes = load_diabetes()
    data = split(scaled(diabetes.data), diabetes.target / 100)
    model = MLPRegressor(hidden_layer_sizes=(16,), max_iter=500, random_state=SEED)
    model.fit(data.train_x, data.train_y)
    print(f"diabetes: R2 {model.score(data.test_x, data.test_y):.3f}")
    source = "diabetes, features scaled to [0, 1], progression / 100"
    exporter.add("regressor.onnx", "MLPRegressor 10-16-1", model, data, source)
    exporter.folder.close()


if __name__ == "__main__":
    main()
