"""The declarations of a VNN-LIB text: variables (1.0) or tensors (2.0).

A declaration or a name that cannot be used raises an :class:`InputError`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.errors import InputError
from onnx_lippa.spec.vnnlib.tokens import quote

MAX_VARIABLES: Final = 2_000_000

_NAME: Final = re.compile(r"[XY]_(0|[1-9]\d{0,8})", re.ASCII)


class Variables:
    """Inputs X_i and outputs Y_j. Input i has the key i, output j the key -1 - j."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}

    def declare(self, name: str, sort: str) -> None:
        """Adds a variable; its name must be X_i or Y_j and new, its sort Real."""
        if _NAME.fullmatch(name) is None:
            raise InputError(
                f"the name {quote(name)} is neither an input X_0, X_1, ... nor an output Y_0, "
                "Y_1, ...: rename it"
            )
        if sort != "Real":
            raise InputError(f"{name} has the sort {quote(sort)}: declare it as Real")
        if name in self.keys:
            raise InputError(f"{name} is declared a second time: remove one of the declarations")
        if len(self.keys) == MAX_VARIABLES:
            raise InputError(
                f"more than {MAX_VARIABLES} variables are declared, the most that is supported: "
                "use a smaller network"
            )
        index = int(name[2:])
        self.keys[name] = index if name[0] == "X" else -1 - index

    def key(self, name: str) -> int:
        """The key of a declared variable."""
        key = self.keys.get(name)
        if key is not None:
            return key
        if _NAME.fullmatch(name) is None:
            raise InputError(
                f"{quote(name)} is neither a number nor a variable X_i or Y_j: correct it"
            )
        raise InputError(
            f"{name} is not declared: write (declare-const {name} Real) before it is used"
        )

    def counts(self) -> tuple[int, int]:
        """The number of inputs and of outputs, at least one of each and numbered without gaps."""
        inputs = sorted(key for key in self.keys.values() if key >= 0)
        outputs = sorted(-1 - key for key in self.keys.values() if key < 0)
        return _count(inputs, "X", "input"), _count(outputs, "Y", "output")


def _count(indices: Sequence[int], letter: str, kind: str) -> int:
    if not indices:
        raise InputError(
            f"no {kind} is declared: write (declare-const {letter}_0 Real) and so on, one for "
            f"every {kind} of the network"
        )
    if indices[-1] != len(indices) - 1:
        gap = next(number for number, index in enumerate(indices) if number != index)
        raise InputError(
            f"{letter}_{indices[-1]} is declared but {letter}_{gap} is not: declare every {kind} "
            "of the network, without gaps"
        )
    return len(indices)


DECLARE_TENSOR: Final = frozenset({"declare-input", "declare-output", "declare-hidden"})

NAME: Final = re.compile(r"[A-Za-z]\w*", re.ASCII)
_ELEMENT: Final = re.compile(r"(?P<name>[A-Za-z]\w*)(?P<indices>\[[\d,\s]*\])?", re.ASCII)
_INDICES: Final = re.compile(r"\[\s*(\d{1,9}\s*(,\s*\d{1,9}\s*)*)?\]", re.ASCII)
_SORTS: Final = frozenset({"Real", "real", "float32", "float64"})


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    is_input: bool

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Tensors:
    """The input and the output tensor of one network, in row-major order."""

    def __init__(self) -> None:
        self._tensors: dict[str, _Tensor] = {}
        self._networks = 0
        self._keys: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def network(self, words: Sequence[object]) -> None:
        """Ends the declaration of the only network, which has a name, an input and an output."""
        self._networks += 1
        if self._networks > 1:
            raise InputError("a second network is declared: only properties of one are supported")
        if not words or not isinstance(words[0], str) or NAME.fullmatch(words[0]) is None:
            raise InputError("a network has no name: write (declare-network f (declare-input ...")
        for kind, is_input in (("input", True), ("output", False)):
            if self._only(is_input) is None:
                raise InputError(
                    f"the network has no {kind}: write (declare-{kind} X float32 [1,5]) in it"
                )

    def declare(self, operator: str, words: Sequence[object]) -> None:
        """Adds the input or the output tensor of the network."""
        if operator == "declare-hidden":
            raise InputError("a hidden tensor is declared: only inputs and outputs are supported")
        parts = [word for word in words if isinstance(word, str)]
        if not 3 <= len(parts) <= 4 or len(parts) < len(words):
            raise InputError(
                "a declaration takes a name, a type and a shape: write it like "
                f"({operator} X float32 [1,5])"
            )
        name, sort, shape = parts[:3]
        if NAME.fullmatch(name) is None:
            raise InputError(f"{quote(name)} is not a name: use letters, digits and _ alone")
        if sort not in _SORTS:
            raise InputError(f"{name} has the type {quote(sort)}: use Real, float32 or float64")
        is_input = operator == "declare-input"
        other = self._only(is_input)
        if other is not None or name in self._tensors:
            raise InputError(
                f"{name} is declared after {other.name if other else name}: only networks with one "
                "input and one output, of different names, are supported"
            )
        tensor = _Tensor(name, _parse_indices(shape), is_input)
        if not 0 < tensor.size <= MAX_VARIABLES:
            raise InputError(
                f"{name} has {tensor.size} elements: from 1 to {MAX_VARIABLES} are supported"
            )
        self._tensors[name] = tensor

    def key(self, word: str) -> int:
        """The key of an element: i for the i-th input, -1 - j for the j-th output."""
        known = self._keys.get(word)
        if known is None:
            known = self._keys[word] = self._find_key(word)
        return known

    def _find_key(self, word: str) -> int:
        match = _ELEMENT.fullmatch(word)
        tensor = self._tensors.get(match["name"]) if match else None
        if match is None or tensor is None:
            raise InputError(
                f"{quote(word)} is neither a number nor an element of a declared tensor: correct "
                "it or declare the tensor"
            )
        indices = _parse_indices(match["indices"] or "[]")
        fits = len(indices) == len(tensor.shape)
        if not fits or any(i >= n for i, n in zip(indices, tensor.shape, strict=True)):
            shape = ",".join(map(str, tensor.shape))
            raise InputError(
                f"{quote(word)} is not an element of {tensor.name}, whose shape is [{shape}]: "
                "give one index for every axis, counted from 0"
            )
        flat = int(np.ravel_multi_index(indices, tensor.shape)) if indices else 0
        return flat if tensor.is_input else -1 - flat

    def counts(self) -> tuple[int, int]:
        """The number of inputs and of outputs."""
        sizes = {tensor.is_input: tensor.size for tensor in self._tensors.values()}
        return sizes[True], sizes[False]

    def _only(self, is_input: bool) -> _Tensor | None:
        found = (tensor for tensor in self._tensors.values() if tensor.is_input == is_input)
        return next(found, None)


def _parse_indices(word: str) -> tuple[int, ...]:
    """Parses a shape or the indices of an element."""
    if _INDICES.fullmatch(word) is None:
        raise InputError(f"{quote(word)} is not a list like [1,5]: correct it")
    inside = word[1:-1].strip()
    return tuple(int(part) for part in inside.split(",")) if inside else ()
