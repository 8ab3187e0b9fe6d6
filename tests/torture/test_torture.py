"""The quick form: a few seeds of each kind, in processes of their own."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.torture.kinds import KINDS
from tests.torture.trial import Kind

if sys.platform != "linux":
    pytest.skip("processes are watched through /proc", allow_module_level=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_word_is_kept(kind: Kind):
    """No loss, no crash, no false claim, nothing late."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        trials = [trial for found in pool.map(kind.run, range(kind.seeds)) for trial in found]
    assert trials
    assert [trial for trial in trials if trial.ending.is_fault] == []
