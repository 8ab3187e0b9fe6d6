"""Damaged and hostile model files: a refusal with a reason, in seconds, or a model like another."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from tests.support.paths import ROOT
from tests.torture.commands import command_line, forked
from tests.torture.trial import Ending, Trial

KIND = "damaged models under limits"
SECONDS = 90
"""Loading has a limit of 60 s of its own."""
ALLOWED = (0, 2, 3)
EXTREMES = (0, -1, 1, 2, 7, 2**31 - 1, -(2**31), 2**40, 2**62, -(2**63))
FLOATS = (0.0, -1.0, float("inf"), float("-inf"), float("nan"), 1e38, 1e-45)
NAMES = ("", "x", "\x1b[31mred", "a\nb", "\x07\r", "n" * 100_000, "ℓ∞", "../../etc")
LARGEST = 400_000
"""Bytes of a model that is damaged: smaller ones are faster."""


def run(seed: int) -> list[Trial]:
    """One damaged file, looked at and attacked."""
    generator = np.random.default_rng([seed, 104])
    sources = models()
    source = sources[int(generator.integers(len(sources)))]
    content = source.read_bytes()
    damage = _bytes if generator.random() < 0.35 else _fields
    for _ in range(int(generator.integers(1, 4))):
        content = damage(content, generator)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(content)
        trials = []
        for words in (
            ["inspect", path],
            ["attack", path, "--eps", "0.05", "--first", "2", "--restarts", "0", "--lp-steps", "1",
             "--gradient-steps", "3", "--time-limit", "5", "--workers", "1"],
        ):  # fmt: skip
            ended = forked(command_line(words), SECONDS)
            fault = ended.fault
            if not fault and ended.code not in ALLOWED:
                fault = f"exit code {ended.code}: {ended.text[-300:]}"
            note = f"{source.name} {words[0]}: {fault or ended.code}"
            trials.append(Trial(KIND, seed, Ending.CRASHED if fault else Ending.HELD, note))
        return trials


@cache
def models() -> tuple[Path, ...]:
    """Small models of all kinds: shipped ones, and what frameworks export."""
    found = [*(ROOT / "models").glob("*.onnx"), *(ROOT / "tests" / "exports").rglob("*.onnx")]
    return tuple(sorted(path for path in found if path.stat().st_size < LARGEST))


def _bytes(content: bytes, generator: np.random.Generator) -> bytes:
    """Flipped, cut, doubled or zeroed bytes."""
    if not content:
        return content
    data, place = bytearray(content), int(generator.integers(len(content)))
    length = int(generator.integers(1, 64))
    match int(generator.integers(5)):
        case 0:
            data[place] ^= 1 << int(generator.integers(8))
        case 1:
            del data[place:]
        case 2:
            data[place:place] = data[place : place + length]
        case 3:
            data[place : place + length] = bytes(length)
        case _:
            data[place : place + length] = generator.bytes(length)
    return bytes(data)


def _fields(content: bytes, generator: np.random.Generator) -> bytes:
    """A field of the graph changed to something that a hostile user would write there."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        return _bytes(content, generator)
    graph = model.graph
    changes: list[Callable[[onnx.ModelProto, np.random.Generator], None]] = [
        _opset, _shape, _rename, _initialiser,
    ]  # fmt: skip
    if len(graph.node):
        changes += [_rewire, _attribute, _operator, _repeat, _attribute, _rewire]
    changes[int(generator.integers(len(changes)))](model, generator)
    try:
        return model.SerializeToString()
    except (ValueError, UnicodeEncodeError):
        return content


def _any(generator: np.random.Generator, items):
    return items[int(generator.integers(len(items)))]


def _opset(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    if len(model.opset_import):
        _any(generator, model.opset_import).version = _any(generator, EXTREMES[:7])
    model.ir_version = int(generator.integers(0, 20))


def _shape(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    values = [*model.graph.input, *model.graph.output]
    if not values:
        return
    shape = _any(generator, values).type.tensor_type.shape
    if generator.random() < 0.3 or not len(shape.dim):
        shape.dim.add().dim_value = _any(generator, EXTREMES)
    else:
        _any(generator, shape.dim).dim_value = _any(generator, EXTREMES)


def _rename(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    things = [*model.graph.input, *model.graph.output, *model.graph.initializer, *model.graph.node]
    _any(generator, things).name = _any(generator, NAMES)


def _initialiser(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    if not len(model.graph.initializer):
        return
    tensor = _any(generator, model.graph.initializer)
    match int(generator.integers(5)):
        case 0:
            tensor.data_type = int(generator.integers(0, 25))
        case 1:
            tensor.raw_data = tensor.raw_data[: int(generator.integers(len(tensor.raw_data) + 1))]
        case 2 if len(tensor.dims):
            tensor.dims[int(generator.integers(len(tensor.dims)))] = _any(generator, EXTREMES)
        case 3:
            size = len(tensor.raw_data)
            tensor.raw_data = generator.bytes(size)
        case _:
            model.graph.initializer.add().CopyFrom(tensor)


def _rewire(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    graph = model.graph
    names = [name for one in graph.node for name in (*one.input, *one.output)]
    names += [one.name for one in graph.initializer] + list(NAMES[:3])
    victim = _any(generator, graph.node)
    side = victim.input if generator.random() < 0.7 else victim.output
    if not len(side) or generator.random() < 0.2:
        side.append(_any(generator, names))
    elif generator.random() < 0.2:
        del side[int(generator.integers(len(side)))]
    else:
        side[int(generator.integers(len(side)))] = _any(generator, names)


def _attribute(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    with_some = [one for one in model.graph.node if len(one.attribute)]
    if not with_some:
        return
    attribute = _any(generator, _any(generator, with_some).attribute)
    match int(generator.integers(6)):
        case 0 if len(attribute.ints):
            attribute.ints[int(generator.integers(len(attribute.ints)))] = _any(generator, EXTREMES)
        case 1:
            attribute.ints.append(_any(generator, EXTREMES))
        case 2:
            attribute.i = _any(generator, EXTREMES)
        case 3:
            attribute.f = _any(generator, FLOATS)
        case 4:
            attribute.type = int(generator.integers(0, 14))
        case _:
            attribute.name = _any(generator, NAMES)


def _operator(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    kinds = (*(one.op_type for one in model.graph.node), "Tile", "Expand", "Resize", "Loop", "If",
             "ConstantOfShape", "Range", "Concat", "Nothing", "\x1b[2J")  # fmt: skip
    _any(generator, model.graph.node).op_type = _any(generator, kinds)


def _repeat(model: onnx.ModelProto, generator: np.random.Generator) -> None:
    nodes = model.graph.node
    if generator.random() < 0.5:
        del nodes[int(generator.integers(len(nodes)))]
    else:
        nodes.add().CopyFrom(_any(generator, nodes))
