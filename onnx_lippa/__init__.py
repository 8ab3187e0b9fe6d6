"""onnx-lippa: attack any exported piecewise-linear network with linear programs.

>>> import onnx_lippa
>>> model = onnx_lippa.load("models/digits_mlp.onnx")           # doctest: +SKIP
>>> result = onnx_lippa.attack(model, x, y, eps=0.05)           # doctest: +SKIP
>>> result.robust_error                                         # doctest: +SKIP
(0.31, 1.0)

The public names are those of ``__init__.pyi``. Each is imported when it is first used, so that
``import onnx_lippa`` takes milliseconds: solvers and runtime are loaded by what needs them.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
