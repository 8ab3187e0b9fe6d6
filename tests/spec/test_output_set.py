from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onnx_lippa.errors import InputError
from onnx_lippa.spec import Conjunction, UnsafeSet
from onnx_lippa.spec.output_set import distinct_rows

EXACT = settings(derandomize=True, deadline=None, max_examples=100)
LOGITS = arrays(np.float32, 4, elements=st.floats(-1e6, 1e6, width=32))


@EXACT
@given(logits=LOGITS, label=st.integers(0, 3))
def test_misclassified_is_another_class_strictly_above(logits: np.ndarray, label: int) -> None:
    unsafe = UnsafeSet.misclassification(label, 4)
    assert unsafe.contains(logits) == any(logits[t] > logits[label] for t in range(4) if t != label)


@EXACT
@given(logits=LOGITS, label=st.integers(0, 3), ulps=st.integers(-2, 2))
def test_the_last_bit_decides(logits: np.ndarray, label: int, ulps: int) -> None:
    target = (label + 1) % 4
    value = logits[label]
    for _ in range(abs(ulps)):
        value = np.nextafter(value, np.float32(np.sign(ulps) * np.inf))
    logits = logits.copy()
    logits[target] = value
    (disjunct,) = UnsafeSet.misclassification(label, 4, [target]).disjuncts
    assert disjunct.contains(logits) == (ulps > 0)
    assert disjunct.margins(logits[None])[0] == float(logits[label]) - float(value)


def test_margins_have_a_column_for_every_target() -> None:
    unsafe = UnsafeSet.misclassification(1, 3)
    outputs = np.array([[1.0, 2.0, 5.0], [0.0, 4.0, 1.0]])
    assert [disjunct.target for disjunct in unsafe.disjuncts] == [0, 2]
    np.testing.assert_array_equal(unsafe.margins(outputs), [[1.0, -3.0], [4.0, 3.0]])
    assert unsafe.contains(outputs[0])
    assert not unsafe.contains(outputs[1])


def test_a_tie_is_not_misclassified() -> None:
    unsafe = UnsafeSet.misclassification(0, 2)
    assert not unsafe.contains(np.array([1.5, 1.5], dtype=np.float32))
    assert unsafe.contains(np.array([1.5, np.nextafter(np.float32(1.5), 2)], dtype=np.float32))


def test_a_closed_conjunction_counts_ties() -> None:
    row = np.array([[1.0, -1.0]])
    closed, strict = Conjunction(row, np.zeros(1), strict=False), Conjunction(row, np.zeros(1))
    tie = np.array([2.0, 2.0])
    assert closed.contains(tie)
    assert not strict.contains(tie)


def test_a_conjunction_needs_every_row() -> None:
    both = Conjunction(np.eye(2), np.array([1.0, 2.0]))
    assert both.contains(np.array([0.5, 1.5]))
    assert not both.contains(np.array([1.5, 1.5]))
    assert not both.contains(np.array([0.5, 2.0]))
    np.testing.assert_array_equal(both.margins(np.array([[0.5, 1.5], [1.5, 1.5]])), [-0.5, 0.5])


def test_what_is_not_a_number_is_not_unsafe() -> None:
    unsafe = UnsafeSet.misclassification(0, 3)
    assert not unsafe.contains(np.array([np.nan, 1.0, 2.0]))
    assert not unsafe.contains(np.array([np.nan, np.nan, np.nan]))


def test_only_the_targets_named_count() -> None:
    unsafe = UnsafeSet.misclassification(0, 4, [2, 0])
    assert [disjunct.target for disjunct in unsafe.disjuncts] == [2]
    assert not unsafe.contains(np.array([0.0, 9.0, -1.0, 9.0]))
    assert unsafe.contains(np.array([0.0, 9.0, 0.5, 9.0]))


@pytest.mark.parametrize(("classes", "targets"), [(1, None), (3, []), (3, [1])])
def test_without_targets_nothing_is_unsafe(classes: int, targets: list[int] | None) -> None:
    unsafe = UnsafeSet.misclassification(classes // 2, classes, targets)
    assert unsafe.disjuncts == ()
    assert not unsafe.contains(np.full(classes, 5.0))
    assert unsafe.margins(np.zeros((2, classes))).shape == (2, 0)


@pytest.mark.parametrize(
    ("label", "targets"), [(-1, None), (3, None), (0, [3]), (0, [1, -1]), (7, [0])]
)
def test_classes_that_do_not_exist_are_refused(label: int, targets: list[int] | None) -> None:
    with pytest.raises(InputError, match="classes run from 0 to 2"):
        UnsafeSet.misclassification(label, 3, targets)


def test_many_disjuncts_share_their_rows():
    """More than a few thousand are evaluated row by row, with the same margins."""
    generator = np.random.default_rng(0)
    rows, bounds = generator.normal(size=(12, 3)), generator.normal(size=12)
    chosen = [generator.choice(12, generator.integers(0, 5), replace=False) for _ in range(3000)]
    disjuncts = tuple(Conjunction(rows[c], bounds[c]) for c in chosen)
    outputs = generator.normal(size=(7, 3))
    outputs[3, 1] = np.nan
    found = UnsafeSet(disjuncts).margins(outputs)
    expected = np.stack([one.margins(outputs) for one in disjuncts], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_distinct_rows():
    rows = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [0.0, 0.0]])
    different, places = distinct_rows(rows)
    assert len(different) == 3
    np.testing.assert_array_equal(different[places], rows)
