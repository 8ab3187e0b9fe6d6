"""Converters of ONNX operators to layers, one file for each kind of operator.

A new operator is one function here, in the file of its kind, decorated with
:func:`~onnx_lippa.onnx_io.operators.registry.converts`. Every module of this package is imported
below, so there is no list to extend.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
