"""How data is read: columns, names of classes and features, and sizes of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, final

import numpy as np

from onnx_lippa.errors import InputError


@final
@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How data is read.

    Names and indices may be lists or arrays, of NumPy or pandas; they are held as tuples.

    Attributes:
        label: column of a table with the labels, or array of an archive; None for the usual names.
        groups: column or array with the group of each input; for arrays in memory the groups
            themselves, one for each input.
        categorical: columns of text that are features. They become numbers, and keep their values.
        resize: whether images of another size are resized to that of the model.
        classes: names of the classes, in the order of the model's outputs; None for those that the
            model states, or for the sorted names among the labels.
        features: names of the features, in the order of the model; of a table these columns are
            taken. None for the names that the data or the model states.
        first: only the first inputs of a file; None for all.
        indices: only the inputs of a file at these indices; None for all.
    """

    label: str | None = None
    groups: str | Sequence[object] | None = None
    categorical: Sequence[str] = ()
    resize: bool = False
    classes: Sequence[str] | None = None
    features: Sequence[str] | None = None
    first: int | None = None
    indices: Sequence[int] | None = None

    def __post_init__(self) -> None:
        for name in ("classes", "features", "categorical"):
            names = getattr(self, name)
            if isinstance(names, str):
                raise InputError(f"{name} is one text, {names!r}: give a list of names")
            twice = [] if names is None else [one for one in names if list(names).count(one) > 1]
            if twice:
                raise InputError(f"{name} holds {twice[0]!r} twice: give different names")
            if names is not None:
                object.__setattr__(self, name, tuple(map(str, names)))
        if self.indices is not None:
            object.__setattr__(self, "indices", tuple(np.asarray(self.indices).tolist()))

    @property
    def group_column(self) -> str | None:
        """The column of the groups, where they are not given themselves."""
        return self.groups if isinstance(self.groups, str) else None

    def as_json(self) -> dict[str, Any]:
        """What a file must be read with again, as plain JSON values; defaults are left out."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values |= {"groups": self.group_column, "first": None, "indices": None}
        kept = {name: value for name, value in values.items() if value}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in kept.items()}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> DataOptions:
        """From plain JSON values.

        Raises:
            TypeError, ValueError, InputError: they are no options.
        """
        lists = {"categorical", "classes", "features"}
        for name, value in values.items():
            if name in lists:
                right = isinstance(value, list) and all(isinstance(one, str) for one in value)
            else:
                right = isinstance(value, bool if name == "resize" else str)
            if not right:
                raise TypeError(f"{name} is of the wrong type")
        return cls(**values)


DEFAULT_OPTIONS: Final = DataOptions()
