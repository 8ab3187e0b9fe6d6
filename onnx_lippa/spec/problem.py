"""What is asked about one input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.spec.asked import Asked
from onnx_lippa.spec.input_set import InputSet
from onnx_lippa.spec.stated import StatedSet
from onnx_lippa.spec.unsafe_set import UnsafeSet


@dataclass(frozen=True)
class Problem:
    """The question for one input.

    Attributes:
        index: its place in the data; nothing that is done to it depends on that.
        inputs: the inputs that are searched; a proof covers :attr:`stated`.
        unsafe: the outputs sought.
        wrong: the outputs with which the clean input itself counts as misclassified; more than
            the unsafe ones where only some classes are sought.
        asked: the property that this is a case of, whose exact formula decides; None for a
            classifier.
        minimize: whether the nearest unsafe input is sought instead of any.
    """

    index: int
    inputs: InputSet
    unsafe: UnsafeSet
    wrong: UnsafeSet
    asked: Asked | None = None
    minimize: bool = False

    @property
    def stated(self) -> StatedSet:
        """The real inputs that a proof must cover; the one place where they are made."""
        if self.asked is not None:
            return self.asked.stated
        one = self.inputs  # around a clean input nothing is invented
        return StatedSet(one.center, one.norm, one.eps, one.lower, one.upper)

    def generator(self, seed: int, name: str, *numbers: int) -> np.random.Generator:
        """See :meth:`InputSet.generator`."""
        return self.inputs.generator(seed, name, *numbers)
