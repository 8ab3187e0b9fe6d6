"""Models in onnx.checker and ONNX Runtime, the two that decide what is usable."""

from __future__ import annotations

import re

import numpy as np
import onnx
import onnxruntime as ort

_SILENT = 4
_AGREEMENT = 1e-5


class Unusable(Exception):  # noqa: N818  # reads as the statement it makes
    """A model that checker or runtime refuse, or whose rows depend on one another."""


def open_session(model: onnx.ModelProto, optimised: bool) -> ort.InferenceSession:
    """The model in ONNX Runtime.

    Raises:
        Unusable: it is refused.
    """
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise Unusable(_reason(error)) from error


def check(model: onnx.ModelProto) -> None:
    """Raises Unusable where onnx.checker refuses a model."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        raise Unusable(_reason(error)) from error


def rows_through(
    model: onnx.ModelProto, sources: dict[str, np.ndarray], fixed: bool, optimised: bool = False
) -> list[np.ndarray]:
    """All outputs for rows of inputs, where they are the same alone and in a batch.

    Args:
        model: the model.
        sources: its inputs, a row for every sample.
        fixed: whether its batch axis has the extent 1.
        optimised: whether the runtime may rewrite the graph.

    Raises:
        Unusable: they are not, or not finite, or the model does not run at all.
    """
    session = open_session(model, optimised)
    rows = len(next(iter(sources.values())))
    alone = [
        _run(session, {name: values[row : row + 1] for name, values in sources.items()}, 1)
        for row in range(rows if fixed else 1)
    ]
    if fixed:
        return [np.concatenate(results) for results in zip(*alone, strict=True)]
    together = _run(session, sources, rows)
    for batch, single in zip(together, alone[0], strict=True):
        if not near(batch[:1], single):
            raise Unusable("a row depends on the others")
    return together


def near(actual: np.ndarray, expected: np.ndarray, relative: float = _AGREEMENT) -> bool:
    """Equal up to rounding."""
    scale = max(float(np.max(np.abs(expected), initial=0.0)), 1.0)
    return actual.shape == expected.shape and bool(
        np.max(np.abs(actual - expected), initial=0.0) <= relative * scale
    )


def _run(
    session: ort.InferenceSession, sources: dict[str, np.ndarray], rows: int
) -> list[np.ndarray]:
    try:
        results = session.run(None, sources)
    except Exception as error:
        raise Unusable(_reason(error)) from error
    for result in results:
        if result.shape[:1] != (rows,) or result.dtype != np.float32:
            raise Unusable("no batch axis in front, or not float32")
        if not np.all(np.isfinite(result)):
            raise Unusable("NaN or infinite")
    return results


def _reason(error: Exception) -> str:
    """The first lines of a message, without what differs from case to case."""
    text = " ".join(str(error).split())
    return re.sub(r"\d+", "#", text)[:300]
