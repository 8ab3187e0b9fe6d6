"""Which function converts which operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from onnx_lippa.ir.layers.node import Converted, NodeView

Converter: TypeAlias = Callable[[NodeView], Converted | tuple[Converted, ...]]
"""Gives what a node becomes, one entry for each output where there are several."""

_CONVERTERS: Final[dict[tuple[str, int], Converter]] = {}


def converts(op: str, since: int = 1) -> Callable[[Converter], Converter]:
    """Registers a converter for an operator as it is defined from one opset on."""

    def register(converter: Converter) -> Converter:
        _CONVERTERS[op, since] = converter
        return converter

    return register


def converter_for(op: str, opset: int) -> Converter | None:
    """The converter of an operator in an opset, None where there is none."""
    versions = [since for name, since in _CONVERTERS if name == op and since <= opset]
    return _CONVERTERS[op, max(versions)] if versions else None


def converters() -> dict[str, dict[int, Converter]]:
    """For every operator, sorted, its converters by the opset each holds from."""
    return {
        op: {since: _CONVERTERS[name, since] for name, since in sorted(_CONVERTERS) if name == op}
        for op in supported_ops()
    }


def supported_ops() -> tuple[str, ...]:
    """Names of all operators with a converter, sorted."""
    return tuple(sorted({op for op, _ in _CONVERTERS}))
