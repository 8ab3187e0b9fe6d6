"""The versions that must be the same on all machines: answers and messages depend on them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from onnx_lippa.version import __version__

_PACKAGES: Final = ("numpy", "scipy", "onnx", "onnxruntime", "ortools", "clarabel", "distributed")


def read_versions() -> dict[str, str]:
    """The versions on this machine, by name; "none" of what is not installed."""
    found = {"onnx-lippa": __version__, "Python": ".".join(map(str, sys.version_info[:2]))}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def describe_difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What differs between two machines, as a phrase after "it has"; empty if nothing does."""
    names = [name for name in here if here[name] != there.get(name, "none")]
    return ", ".join(f"{name} {there.get(name, 'none')}, not {here[name]}" for name in names)
