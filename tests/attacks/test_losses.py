"""Losses of the margins against the formulas of their papers in terms of the logits."""

import numpy as np
import pytest

from onnx_lippa.attacks.stages.losses import LOSS_NAMES, make_loss

CLASSES = 6


def logits_and_margins(scale=3.0, n=40):
    generator = np.random.default_rng(5)
    logits = scale * generator.normal(size=(n, CLASSES))
    labels = generator.integers(CLASSES, size=n)
    margins = [
        [row[y] - row[j] for j in range(CLASSES) if j != y]
        for row, y in zip(logits, labels, strict=True)
    ]
    return logits, labels, np.array(margins)


def probability(row, j):
    return np.exp(row[j]) / np.exp(row).sum()


def test_cross_entropy():
    logits, labels, margins = logits_and_margins()
    expected = [-np.log(probability(row, y)) for row, y in zip(logits, labels, strict=True)]
    np.testing.assert_allclose(make_loss("ce", None).evaluate(margins)[0], -np.log(expected))


def test_targeted_cross_entropy():
    logits, labels, margins = logits_and_margins()
    targets = np.random.default_rng(1).integers(CLASSES - 1, size=len(labels))
    classes = targets + (targets >= labels)
    expected = [-np.log(probability(row, t)) for row, t in zip(logits, classes, strict=True)]
    np.testing.assert_allclose(make_loss("ce", targets).evaluate(margins)[0], expected)


def test_difference_of_logits_ratio():
    logits, labels, margins = logits_and_margins()
    expected = []
    for row, y in zip(logits, labels, strict=True):
        first = np.sort(row)[::-1]
        expected.append((row[y] - np.delete(row, y).max()) / (first[0] - first[2]))
    np.testing.assert_allclose(make_loss("dlr", None).evaluate(margins)[0], expected)


def test_targeted_difference_of_logits_ratio():
    logits, labels, margins = logits_and_margins()
    targets = np.random.default_rng(1).integers(CLASSES - 1, size=len(labels))
    expected = []
    for row, y, j in zip(logits, labels, targets, strict=True):
        first = np.sort(row)[::-1]
        spread = first[0] - (first[2] + first[3]) / 2
        expected.append((row[y] - row[j + (j >= y)]) / spread)
    np.testing.assert_allclose(make_loss("dlr", targets).evaluate(margins)[0], expected)


@pytest.mark.parametrize("name", LOSS_NAMES)
@pytest.mark.parametrize("is_targeted", [False, True])
def test_slopes_are_difference_quotients(name, is_targeted):
    _, labels, margins = logits_and_margins()
    margins[:5, 4] = np.inf  # a disjunct that these inputs lack
    margins[5:8, 2:] = np.inf
    margins[8:10, 1:] = np.inf
    targets = np.zeros(len(labels), dtype=np.int64) if is_targeted else None
    loss, step = make_loss(name, targets), 1e-6
    slopes = loss.evaluate(margins)[1]
    for j in range(margins.shape[1]):
        ahead, behind = margins.copy(), margins.copy()
        ahead[:, j] += step
        behind[:, j] -= step
        quotients = (loss.evaluate(ahead)[0] - loss.evaluate(behind)[0]) / (2 * step)
        np.testing.assert_allclose(slopes[:, j], quotients, rtol=1e-4, atol=1e-5)


def test_cross_entropy_of_a_sure_network_has_slopes():
    """In float32 the gradient of the cross-entropy itself is 0 here."""
    margins = np.array([[900.0, 901.0, 950.0]])
    losses, slopes = make_loss("ce", None).evaluate(margins)
    assert np.isfinite(losses).all()
    shares = 1 / (1 + np.exp([-1, 1]))
    np.testing.assert_allclose(slopes[0, :2], shares, rtol=1e-6)


@pytest.mark.parametrize("targets", [None, np.array([0])])
def test_ties_and_few_logits_are_finite(targets):
    for margins in ([[0.0, 0.0, 0.0, 0.0]], [[1.0]], [[0.5, 2.0]]):
        losses, slopes = make_loss("dlr", targets).evaluate(np.array(margins))
        assert np.isfinite(losses).all()
        assert np.isfinite(slopes).all()
    assert make_loss("dlr", targets).evaluate(np.array([[1.5]]))[0] == 1.5
