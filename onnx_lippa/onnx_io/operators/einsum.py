"""Einsum."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters

import numpy as np

from onnx_lippa.arrays import Float64, Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.gather import Gather
from onnx_lippa.ir.layers.linear_map import LeftLinearMap, LinearMap
from onnx_lippa.ir.layers.reshape import ReduceSum, Reshape, Transpose
from onnx_lippa.onnx_io.frame import reshape_to
from onnx_lippa.onnx_io.node import Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts

_DOTS = "..."


@converts("Einsum", since=12)
def convert_einsum(node: NodeView) -> Conversion:
    """Products and sums over labelled axes of one computed tensor and any constants."""
    if len(node.only_computed()) > 1:
        raise Unsupported("the product of two computed tensors is not piecewise linear")
    (position,) = node.only_computed()
    x = node.computed(position)
    factors = {
        i: node.constant(i, "factor").weight for i in range(len(node.operands)) if i != position
    }
    shapes = [node.tensor(i).graph_shape for i in range(len(node.operands))]
    text = node.text("equation", "")
    equation = parse_equation(text, [len(shape) for shape in shapes])
    # Axes of extent 1, among them the batch axis, are left out and put back at the end.
    extents: dict[str, int] = {}
    for shape, term in zip(shapes, equation.terms, strict=True):
        for extent, label in _wide_axes(shape, term):
            if extents.setdefault(label, extent) != extent:
                raise Unsupported(f"its equation '{text}' gives one label two extents")
    if len(extents) > len(ascii_letters):
        raise Unsupported(f"its equation '{text}' has more labels than there are letters")
    output = [label for label in equation.output if label in extents]

    chain = _Chain(
        [label for _, label in _wide_axes(x.graph_shape, equation.terms[position])], extents
    )
    chain.layers.append(Reshape(x.shape, chain.shape))
    chain.take_diagonal()
    terms = [(factors[i], equation.terms[i]) for i in factors]
    node.limits.require_matrix(
        *{label: extents[label] for _, t in terms for label in t if label in extents}.values()
    )
    node.limits.require_elements([extents[label] for label in output])
    factor, labels = _multiply_constants(terms, extents, {*chain.labels, *output})
    chain.sum_over({label for label in chain.labels if label not in {*labels, *output}})
    chain.multiply(factor, labels, output)
    chain.permute(output)
    result = reshape_to(chain.shape, tuple(extents.get(label, 1) for label in equation.output))
    return Conversion((*chain.layers, *result.layers), (position,), result.batched)


def _wide_axes(shape: Shape, term: Sequence[str]) -> list[tuple[int, str]]:
    """Extents and labels of the axes that are not of extent 1."""
    return [pair for pair in zip(shape, term, strict=True) if pair[0] != 1]


def _multiply_constants(
    terms: Sequence[tuple[Float64, Sequence[str]]], extents: Mapping[str, int], kept: set[str]
) -> tuple[Float64, list[str]]:
    """The product of all constants, summed over labels that occur nowhere else, and its labels."""
    letters = dict(zip(extents, ascii_letters, strict=False))
    operands: list[Float64] = []
    written: list[str] = []
    named: list[str] = []
    for factor, term in terms:
        pairs = _wide_axes(factor.shape, term)
        operands.append(factor.reshape([extent for extent, _ in pairs]))
        written.append("".join(letters[label] for _, label in pairs))
        named += [label for _, label in pairs]
    left = [label for label in dict.fromkeys(named) if label in kept]
    if not operands:
        return np.array(1.0), left
    equation = f"{','.join(written)}->{''.join(letters[label] for label in left)}"
    return np.asarray(np.einsum(equation, *operands)), left


class _Chain:
    """A chain of layers under construction, and the labels of its result's axes."""

    def __init__(self, labels: list[str], extents: Mapping[str, int]) -> None:
        self.layers: list[Layer] = []
        self.labels = labels
        self._extents = extents

    @property
    def shape(self) -> Shape:
        """Shape of the result so far."""
        return self._shape(self.labels)

    def _shape(self, labels: Collection[str]) -> Shape:
        return tuple(self._extents[label] for label in labels)

    def take_diagonal(self) -> None:
        """Takes the diagonal of axes with the same label."""
        unique = list(dict.fromkeys(self.labels))
        if len(unique) < len(self.labels):
            grid = np.arange(size(self.shape)).reshape(self.shape)
            axes = [unique.index(label) for label in self.labels]
            positions = np.einsum(grid, axes, list(range(len(unique)))).ravel()
            flat = (grid.size,)
            self.layers += [Reshape(self.shape, flat), Gather(flat, {0: positions})]
            self.labels = unique
            self.layers.append(Reshape((positions.size,), self.shape))

    def sum_over(self, labels: Collection[str]) -> None:
        """Sums over axes and drops them."""
        axes = [i for i, label in enumerate(self.labels) if label in labels]
        if axes:
            layer = ReduceSum(self.shape, axes)
            self.labels = [label for label in self.labels if label not in labels]
            self.layers += [layer, Reshape(layer.shape, self.shape)]

    def permute(self, labels: Sequence[str]) -> None:
        """Brings the axes into another order."""
        if list(labels) != self.labels:
            axes = tuple(self.labels.index(label) for label in labels)
            self.layers.append(Transpose(self.shape, axes))
            self.labels = list(labels)

    def multiply(self, factor: Float64, labels: list[str], output: Sequence[str]) -> None:
        """Multiplies by a constant and sums over the common axes that are not in the output."""
        summed = [label for label in self.labels if label in labels and label not in output]
        added = [label for label in output if label not in self.labels]
        if not summed and not added:
            self._scale(factor, labels)
            return
        shared = [label for label in self.labels if label in labels and label in output]
        free = [label for label in self.labels if label not in labels]
        # x @ W or W @ x, whichever moves axes less often.
        right = (shared + free + summed, shared + free + added)
        left = (shared + summed + free, shared + added + free)
        is_left = self._moves(left, output) < self._moves(right, output)
        order, after = left if is_left else right
        self.permute(order)
        sides = added + summed if is_left else summed + added
        matrix = factor.transpose([labels.index(label) for label in shared + sides])
        front, before = self._shape(shared), self.layers[-1].shape
        inner, outer, rest = (size(self._shape(part)) for part in (summed, added, free))
        source = (*front, inner, rest) if is_left else (*front, rest, inner)
        product: Layer
        if is_left:
            product = LeftLinearMap(source, matrix.reshape(*front, outer, inner))
        else:
            product = LinearMap(source, matrix.reshape(*front, inner, outer))
        self.labels = after
        self.layers += [Reshape(before, source), product, Reshape(product.shape, self.shape)]

    def _scale(self, factor: Float64, labels: list[str]) -> None:
        """Multiplies elementwise; the constant has none but our axes."""
        if labels or np.any(factor != 1.0):
            order = [label for label in self.labels if label in labels]
            narrow = [self._extents[a] if a in labels else 1 for a in self.labels]
            scale = factor.transpose([labels.index(label) for label in order]).reshape(narrow)
            self.layers.append(ScaleShift(self.shape, scale))

    def _moves(self, form: tuple[list[str], list[str]], output: Sequence[str]) -> int:
        return (form[0] != self.labels) + (form[1] != list(output))


@dataclass(frozen=True)
class Equation:
    """The labels of an Einsum's axes; equal labels name the same axis.

    Attributes:
        terms: for every operand a label for each of its axes.
        output: the labels of the result.
    """

    terms: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]


def parse_equation(text: str, ranks: Sequence[int]) -> Equation:
    """Parses an equation for operands of these ranks.

    An ellipsis becomes separate labels (".0" is its last axis), so that several operands are
    aligned at their last axes, as in broadcasting.

    Raises:
        Unsupported: it is malformed, or does not fit the operands.
    """
    left, arrow, right = text.replace(" ", "").partition("->")
    written = left.split(",")
    if len(written) != len(ranks):
        raise Unsupported(f"its equation '{text}' has {len(written)} terms for {len(ranks)} inputs")
    terms = tuple(_term(term, rank, text) for term, rank in zip(written, ranks, strict=True))
    labels = [label for term in terms for label in term]
    dots = sorted({label for label in labels if label[0] == "."}, reverse=True)
    if arrow:
        output = _term(right, len(right.replace(_DOTS, "")) + len(dots), text)
    else:
        letters = [label for label in labels if label not in dots]
        output = (*dots, *sorted(label for label in letters if letters.count(label) == 1))
    if len(set(output)) != len(output) or not set(output) <= set(labels):
        raise Unsupported(f"its equation '{text}' has an output that its terms do not give")
    return Equation(terms, output)


def _term(written: str, rank: int, text: str) -> tuple[str, ...]:
    """One label for each axis of a tensor of this rank."""
    front, dots, behind = written.partition(_DOTS)
    hidden = rank - len(front) - len(behind)
    letters = front + behind
    if (letters and not (letters.isascii() and letters.isalpha())) or hidden < 0:
        raise Unsupported(f"its equation '{text}' does not fit its inputs")
    if hidden and not dots:
        raise Unsupported(f"its equation '{text}' does not name all axes of its inputs")
    return (*front, *(f".{i}" for i in reversed(range(hidden))), *behind)
