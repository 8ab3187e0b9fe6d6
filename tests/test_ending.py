"""The enumeration of how a computation ended."""

from __future__ import annotations

import pickle

import pytest

from onnx_lippa.clock import OutOfTimeError, require_time
from onnx_lippa.ending import Ending
from tests.support.paths import ROOT


def test_each_has_a_name_and_a_sentence_of_its_own():
    assert len({ending.value for ending in Ending}) == len(Ending)
    assert len({ending.sentence for ending in Ending}) == len(Ending)
    for ending in Ending:
        assert ending.sentence[0].islower()
        assert ending.sentence[-1] not in ".!"
        found = Ending(ending.value)
        assert found is ending
        assert pickle.loads(pickle.dumps(ending)) is ending


def test_the_documentation_names_every_reason():
    text = (ROOT / "docs" / "verdicts.md").read_text()
    no_reasons = {Ending.OPTIMAL, Ending.INFEASIBLE, Ending.PROVEN, Ending.UNSAFE}
    no_reasons |= {Ending.ENOUGH_SOLUTIONS, Ending.UNRECORDED}
    for ending in set(Ending) - no_reasons:
        assert f"`{ending.value}`" in text


def test_limits():
    limits = {ending for ending in Ending if ending.is_limit}
    assert {Ending.OUT_OF_TIME, Ending.OUT_OF_NODES, Ending.OUT_OF_MEMORY} <= limits
    assert not limits & {Ending.OPTIMAL, Ending.INFEASIBLE, Ending.FAILED}


def test_a_deadline_that_passed_says_so():
    with pytest.raises(OutOfTimeError, match=Ending.OUT_OF_TIME.sentence):
        require_time(0.0)
