"""What a result belongs to: every byte that can change an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Final

import numpy as np

from onnx_lippa.arrays import InputRows, Integers
from onnx_lippa.spec import Features

_AT_ONCE: Final = 1024
"""Rows of inputs that are digested together."""
_FEATURES: Final = tuple(field.name for field in fields(Features))


@dataclass(frozen=True)
class Identity:
    """What a run was asked, and of what. Equal identities have equal answers, time limits aside.

    Attributes:
        model_sha256: digest of the model, external weights included.
        output: name of the tensor that holds the scores; empty in folders of before it was
            recorded, where it is the one that a model has.
        inputs_sha256: digest of the inputs and their labels (see :func:`digest_inputs`); empty in
            folders of before, which hold that of the data file.
        indices: the inputs, by their place in the data.
        norm: name of the norm.
        features: radius, domain, and what else is said of the features.
        targets: which wrong classes count.
        options: method and budgets, as text.
        version: version of the program; empty in folders of before it was recorded.
    """

    model_sha256: str
    output: str
    inputs_sha256: str
    indices: tuple[int, ...]
    norm: str
    features: Features
    targets: str
    options: str
    version: str

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values, the features' fields among the others."""
        own = {name: value for name, value in vars(self).items() if name != "features"}
        return own | vars(self.features)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Identity:
        """What a file says; what files of before lack has the meaning that it had then.

        Raises:
            ValueError, TypeError, KeyError, OverflowError, InputError: it says nothing that can
                be asked.
        """
        words: dict[str, Any] = {
            "fixed": [],
            "grid": 0.0,
            "output": "",
            "inputs_sha256": "",
            "version": "",
        }
        words |= {name: value for name, value in values.items() if name in _NAMES}
        said = {name: words.pop(name) for name in _FEATURES}
        for name, value in said.items():
            numbers = value if isinstance(value, list) else [value]
            kinds = (int,) if name == "fixed" else (int, float)
            if not (name == "eps" and value is None) and not _are(numbers, kinds):
                raise TypeError(f"{name} is of the wrong type")
            if any(isinstance(one, int) and abs(one) >= 2**63 for one in numbers):
                raise ValueError(f"{name} has a number that no run can have")
            said[name] = tuple(value) if isinstance(value, list) else value
        indices = tuple(words.pop("indices"))
        if not indices or not _are(indices, (int,)) or not _are(words.values(), (str,)):
            raise TypeError("a field is of the wrong type")
        if not all(0 <= index < 2**63 for index in indices):
            raise ValueError("an index is no place in the data")
        return cls(**words, indices=indices, features=Features(**said))

    def difference(self, other: Identity) -> str:
        """In what two identities differ, for a message; empty where they are equal."""
        mine, others = self.as_json(), other.as_json()
        return ", ".join(_SAID.get(name, name) for name in mine if mine[name] != others[name])


_NAMES: Final = frozenset({field.name for field in fields(Identity)} | set(_FEATURES))
_SAID: Final = {
    "model_sha256": "the model",
    "output": "the output",
    "inputs_sha256": "the inputs or labels",
    "options": "the options",
    "version": "the version of onnx-lippa",
}
"""What fields are called in messages; the others have names that say it."""


def digest_inputs(inputs: InputRows, labels: Integers | None) -> str:
    """SHA-256 of inputs (n, d), in the type that the model takes, and their labels (n,).

    Args:
        inputs: the inputs.
        labels: their labels; None where the data has none.
    """
    kind = inputs.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{kind.str} {inputs.shape}".encode())
    for first in range(0, len(inputs), _AT_ONCE):
        rows = np.ascontiguousarray(inputs[first : first + _AT_ONCE], dtype=kind)
        digest.update(rows.tobytes())
    if labels is not None:
        digest.update(b"labels" + np.ascontiguousarray(labels, dtype="<i8").tobytes())
    return digest.hexdigest()


def state_options(*settings: object) -> str:
    """Settings as text that is the same for equal settings and for no others.

    Args:
        settings: dataclasses of options.
    """
    return "; ".join(f"{type(one).__name__}: {_listed(asdict(one))}" for one in settings)  # type: ignore[call-overload]


def _listed(values: dict[str, object]) -> str:
    return ", ".join(f"{name}={_plain(value)}" for name, value in values.items())


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return f"({_listed(value)})" if isinstance(value, dict) else value


def _are(values: Iterable[object], kinds: tuple[type, ...]) -> bool:
    """Whether all values are of some types; true and false are no numbers."""
    return all(isinstance(value, kinds) and not isinstance(value, bool) for value in values)
