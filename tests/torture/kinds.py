"""The kinds of trials."""

from __future__ import annotations

from typing import Final

from tests.torture import damage, distances, hostile, kills, limits, properties
from tests.torture.trial import Kind

KINDS: Final = (
    Kind(kills.KIND, kills.run, seeds=2),
    Kind(hostile.KIND, hostile.run, seeds=60),
    Kind(damage.KIND, damage.run, seeds=60),
    Kind(properties.KIND, properties.run, seeds=40),
    Kind(distances.KIND, distances.run, seeds=12),
    Kind(limits.KIND, limits.run, seeds=2),
)
FORKING: Final = (hostile.KIND, damage.KIND)
"""Kinds that fork: they need a process in which no model was loaded."""
