"""Writes docs/operators.md from the registry: every operator, its opsets and its conditions.

Run ``python tools/operators_table.py`` after an operator was added or its docstring changed. With
``--check`` it writes nothing and fails where the file is out of date; a test calls it so.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType

from onnx_lippa.ir.layers import Layer, PiecewiseLayer
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io.operators.registry import converters, refusals

TARGET = Path(__file__).parents[1] / "docs" / "operators.md"

_BOTH = {"Mul", "Where"}
"""Operators whose kind depends on what they take."""

_HEAD = """\
# Operators

Written by `python tools/operators_table.py` from the converters' own docstrings; a test keeps it
up to date.

A graph is read as its action on one sample, so a node may use the batch axis in any way; where
samples then depend on each other, they are attacked one at a time. Whatever does not depend on the
input (weights, chains that begin with `Shape`) may be computed by any operator of ONNX Runtime: it
is folded into a constant. "Constant" below includes such values. `If`, `Loop`, `Scan` and
`SequenceMap` with constant conditions and counts are unrolled, whatever is computed inside;
sequences of tensors are supported. All this within limits: 10,000 nodes of loops, and the memory
that loading may take. Operators in an opset without a row here are refused with the opset to
export with.

Kinds: an *affine* operator is linear plus a constant; a *piecewise* one is affine on each of
finitely many regions; the *truth* of a comparison may be the condition of a `Where`, through `Not`
too, or, cast to a number, a factor of a `Mul`; a *last step* is an output activation: it is left
out, since it keeps the order of the scores, and replays use the model as it is.

| operator | opsets | kind | what is supported |
| --- | --- | --- | --- |
"""

_MIDDLE = """
## Refused

These are refused where an operand depends on the input, with the reason and the name of the node;
all problems of a model are listed at once.

| operators | why |
| --- | --- |
"""


def text() -> str:
    """The whole file."""
    rows = []
    for op, versions in converters().items():
        ends = [since - 1 for since in list(versions)[1:]]
        for (since, converter), end in zip(versions.items(), [*ends, None], strict=True):
            kind = "affine; piecewise by a truth" if op in _BOTH else kind_of(converter)
            cells = (f"`{op}`", _opsets(since, end), kind, _summary(converter))
            rows.append(f"| {' | '.join(cells)} |")
    refused = [
        f"| {', '.join(f'`{op}`' for op in ops)} | {reason} |" for reason, ops in refusals().items()
    ]
    return _HEAD + "\n".join(rows) + "\n" + _MIDDLE + "\n".join(refused) + "\n"


def _opsets(since: int, end: int | None) -> str:
    if end is None:
        return "all" if since == 1 else f"{since} on"
    return f"{since} to {end}" if since > 1 else f"to {end}"


def _summary(converter: Callable[..., object]) -> str:
    """The first paragraph of a docstring, on one line of Markdown."""
    first = (inspect.getdoc(converter) or "").split("\n\n")[0].replace("\n", " ")
    return re.sub(r"``(.+?)``", r"`\1`", first).replace("|", r"\|").rstrip(".")


def kind_of(converter: Callable[..., object]) -> str:
    """``affine``, ``piecewise``, ``truth`` or ``last step``: from what its code refers to."""
    met = list(_referred(converter, set()))
    layers = [one for one in met if inspect.isclass(one) and issubclass(one, Layer)]
    if any(issubclass(layer, PiecewiseLayer) for layer in layers):
        return "piecewise"
    if "holds" in met:
        return "truth"
    return "last step" if OutputActivation in met and not layers else "affine"


def _referred(function: object, seen: set[int]) -> Iterator[object]:
    """Classes, and names of keyword arguments, that a function and those it calls refer to."""
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    scope = function.__globals__
    helpers = [one for one in scope.values() if inspect.isclass(one) and _is_helper(one)]
    for name, keywords in _names(function.__code__):
        yield from keywords
        found = scope.get(name)
        if inspect.isclass(found):
            yield found
        elif found is not None:
            if getattr(found, "__module__", "").startswith("onnx_lippa.onnx_io"):
                yield from _referred(found, seen)
        else:  # perhaps a method of something that helps to convert
            for helper in helpers:
                yield from _referred(vars(helper).get(name), seen)


def _names(code: CodeType) -> Iterator[tuple[str, tuple[str, ...]]]:
    tuples = [c for c in code.co_consts if isinstance(c, tuple)]
    keywords = tuple(word for one in tuples for word in one if isinstance(word, str))
    for name in code.co_names or ("",):
        yield name, keywords
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _is_helper(one: type) -> bool:
    return one.__module__.startswith("onnx_lippa.onnx_io") and not issubclass(one, Layer)


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text():
            sys.exit(f"{TARGET.name} is out of date: run python tools/operators_table.py")
    else:
        TARGET.write_text(text(), encoding="utf-8")
        print(f"wrote {TARGET.name}")
