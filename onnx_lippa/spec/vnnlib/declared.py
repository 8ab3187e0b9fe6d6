"""The variables a VNN-LIB text declares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.spec.vnnlib.tokens import quoted

MAX_VARIABLES: Final = 2_000_000

_NAME: Final = re.compile(r"[XY]_(0|[1-9]\d{0,8})", re.ASCII)


class Declared:
    """Inputs X_i and outputs Y_j; input i has the key i, output j the key -1 - j."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}

    def declare(self, name: str, sort: str) -> None:
        """Takes in one declaration.

        Raises:
            InputError: a name that is not X_i or Y_j or has been declared, or another sort.
        """
        if _NAME.fullmatch(name) is None:
            raise InputError(
                f"the name {quoted(name)} is neither an input X_0, X_1, ... nor an output Y_0, "
                "Y_1, ...: rename it"
            )
        if sort != "Real":
            raise InputError(f"{name} has the sort {quoted(sort)}: declare it as Real")
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
        """The key of a variable.

        Raises:
            InputError: it is not declared.
        """
        key = self.keys.get(name)
        if key is not None:
            return key
        if _NAME.fullmatch(name) is None:
            raise InputError(
                f"{quoted(name)} is neither a number nor a variable X_i or Y_j: correct it"
            )
        raise InputError(
            f"{name} is not declared: write (declare-const {name} Real) before it is used"
        )

    def counts(self) -> tuple[int, int]:
        """How many inputs and outputs there are.

        Raises:
            InputError: none of either, or a gap in their numbers.
        """
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
