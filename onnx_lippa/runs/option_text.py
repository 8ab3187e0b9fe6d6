"""Options of methods, read back from the text that :func:`describe_options` made of them."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any, Final

from onnx_lippa.attacks import ATTACK_METHODS
from onnx_lippa.errors import InputError, LippaError
from onnx_lippa.method import Method
from onnx_lippa.proofs import BranchAndBound, Intervals, LinearBounds, Mip
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.distances import Distance
from onnx_lippa.runs.identity import describe_options
from onnx_lippa.state import Budget
from onnx_lippa.version import __version__

_VALUES: Final[Mapping[str, Any]] = {
    one.__name__: one
    for one in (
        *map(type, ATTACK_METHODS.values()),
        *(Intervals, LinearBounds, Mip, BranchAndBound, Audit, Distance, Budget),
    )
}
"""What the text of options in ``run.json`` may name."""
_MINIMIZE: Final = "; minimize"


def parse_options(text: str) -> tuple[Method, Budget, bool]:
    """Method, budget and whether distances are minimised, from the options of an identity.

    Raises:
        InputError: they are of another version, whose methods had other options.
    """
    minimize = text.endswith(_MINIMIZE)
    match parse_values(text.removesuffix(_MINIMIZE)):
        case (Method() as method, Budget() as budget):
            return method, budget, minimize
    raise foreign_options(text)


def parse_values(text: str) -> tuple[Any, ...]:
    """The methods and budgets of a text.

    Raises:
        InputError: they are of another version, whose methods had other options.
    """
    try:
        values = tuple(map(_parse_value, text.split("; ")))
        is_same = describe_options(*values) == text
    except (ValueError, TypeError, SyntaxError, LippaError):
        is_same = False
    if not is_same:
        raise foreign_options(text)
    return values


def foreign_options(text: str) -> InputError:
    """The error about options that this version does not have."""
    return InputError(
        f"the run's options are not those of onnx-lippa {__version__} ({text[:200]}): repeat "
        "it with the version that made it"
    )


def _parse_value(part: str) -> Any:  # noqa: ANN401
    name, _, fields = part.partition(": ")
    return _evaluate(ast.parse(f"{name}({fields})", mode="eval").body)


def _evaluate(node: ast.expr) -> Any:  # noqa: ANN401
    """A value that :func:`describe_options` wrote: a number, a word, or one of the classes."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        words = {word.arg: _evaluate(word.value) for word in node.keywords if word.arg}
        return _VALUES[node.func.id](**words) if node.func.id in _VALUES else _refuse(node)
    if isinstance(node, ast.Tuple):
        return tuple(map(_evaluate, node.elts))
    if isinstance(node, ast.Name):
        return math.inf if node.id == "inf" else node.id
    return node.value if isinstance(node, ast.Constant) else _refuse(node)


def _refuse(node: ast.expr) -> Any:  # noqa: ANN401
    raise ValueError(f"{ast.unparse(node)} is no value of an option")
