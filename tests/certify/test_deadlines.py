"""No proof goes on long after its limit, however large the network."""

from __future__ import annotations

import time

import numpy as np
import pytest

from onnx_lippa.certify.bounds import (
    interval_bounds,
    interval_margins,
    linear_bounds,
    linear_margins,
)
from onnx_lippa.certify.rectified import Reach, Tightening, rectified
from onnx_lippa.clock import NEVER, OutOfTimeError, require_time
from onnx_lippa.question import InputSet, UnsafeSet, norm_named
from tests.networks import conv_net


def box(network, eps=0.1):
    d = network.input_size
    return InputSet(np.full(d, 0.5), norm_named("linf"), eps, np.zeros(d), np.ones(d))


def past() -> float:
    return time.monotonic() - 1.0


@pytest.mark.parametrize("bounds", [interval_bounds, linear_bounds])
def test_bounds_look_at_the_clock(bounds):
    network = conv_net(0)
    bounds(network, [box(network)], deadline=NEVER)
    with pytest.raises(OutOfTimeError):
        bounds(network, [box(network)], deadline=past())


@pytest.mark.parametrize("margins", [interval_margins, linear_margins])
def test_margins_look_at_the_clock(margins):
    """Also where the bounds are known already."""
    network = conv_net(0)
    unsafe = [UnsafeSet.misclassification(0, network.output_size)]
    known = interval_bounds(network, [box(network)])
    margins(network, [box(network)], unsafe, known)
    with pytest.raises(OutOfTimeError):
        margins(network, [box(network)], unsafe, known, deadline=past())


def test_folding_looks_at_the_clock():
    network = conv_net(0)
    with pytest.raises(OutOfTimeError):
        rectified(network, Reach.of(box(network)), Tightening(deadline=past()))


def test_require_time():
    require_time(NEVER)
    require_time(time.monotonic() + 60)
    with pytest.raises(OutOfTimeError, match="time was used up"):
        require_time(past())
