"""Branch and bound on the reduced network of each input: the complete proof method."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import ClassVar, Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.margins import bound_margins
from onnx_lippa.bounds.pre_activations import BoundsMethod, bound_pre_activations
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.bounds.stability import count_proven
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending, Reason, StoppedError
from onnx_lippa.errors import InputError
from onnx_lippa.proofs.categories import prove_by_category
from onnx_lippa.proofs.methods import LinearBounds, ProofMethod
from onnx_lippa.search.base import Limits, ReducedSearch, SearchResult, relates_inputs
from onnx_lippa.search.boxes import BoxSearch
from onnx_lippa.search.exact_search import ExactSearch
from onnx_lippa.search.exact_system import (
    NotExactError,
    build_exact_system,
    compute_margins,
    find_constant_margin,
)
from onnx_lippa.search.programs import ProgramSearch
from onnx_lippa.search.selects import SelectSearch
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.spec import Conjunction, UnsafeSet
from onnx_lippa.state import InputState
from onnx_lippa.witness import FoundBy, Offer, ProvedBy

_TIGHTENING_STEPS: Final = 10
"""Steps of ascent for each pre-activation whose sign the first bounds leave open."""
_SMALL: Final = 48
"""Inputs and units up to which a network is searched in rational arithmetic early: after a first
search of ``_FIRST_NODES`` nodes, for ``_EXACT_SHARE`` of the time."""
_FIRST_NODES: Final = 512
_EXACT_SHARE: Final = 0.5
_BEFORE_SELECTS: Final = 0.2
"""Share of the time for a search that relaxes selects to their bounds."""
_BOUNDS_SHARE: Final = 0.2
"""Share of the time for linear bounds of the whole network, which prove many inputs at once."""
_FEW_DISJUNCTS: Final = 64
"""Above this number, disjuncts that linear bounds close are not searched, in any case."""
_ZERO: Final = Fraction(0)
_TIE_NODES: Final = 2000
"""Programs of an exact search after a tie."""
_CONSTANT: Final = 1e-9
"""Share of the terms below which the coefficients of a margin may be 0."""
_FEW_FEATURES: Final = 12
_MANY_FEATURES: Final = 40
"""Features up to which boxes are split, and above which units are; between the two, searches of
both kinds tell which (docs/performance.md)."""
_PROBE_NODES: Final = (256, 4096)
"""Nodes of these searches, in turn."""
_FEW_UNITS: Final = 300
"""Units up to which every node is a linear program, where inputs are related."""


@final
@dataclass(frozen=True)
class BranchAndBound(ProofMethod):
    """A complete search: over boxes, signs of units and selects, with exact arithmetic at ties.

    Linear bounds of the whole network come first, and only what they leave open is searched. A
    network too large for a search is bounded by :class:`LinearBounds`.

    Attributes:
        bounds_first: whether linear bounds come first; an audit has had them.
        node_limit: nodes that a search may bound for one input.
        memory_limit: bytes that the open nodes of one input may take.
    """

    name: ClassVar[str] = "complete"
    node_limit: float = math.inf
    memory_limit: float = 2e9
    bounds_first: bool = True

    def __post_init__(self) -> None:
        if not self.node_limit > 0 or not self.memory_limit > 0:
            raise InputError("limits on nodes and memory must be positive numbers")

    @override
    def prove(self, states: Sequence[InputState]) -> None:
        for state in states:
            prove_by_category(state, lambda part: _Proof(self, part).run(), self.node_limit)


class _Proof:
    """The proof of one input.

    Args:
        options: the options.
        state: the state.
    """

    def __init__(self, options: BranchAndBound, state: InputState) -> None:
        self._options, self._state = options, state
        self._network = state.model.network
        self._offer: Offer = partial(state.offer, found_by=FoundBy.SEARCH)
        self._open: Sequence[Conjunction] = state.problem.unsafe.disjuncts
        self._closed = ProvenBounds.of_empty()
        """The bounds of the disjuncts that are no longer open."""

    def run(self) -> None:
        """Searches for a proof or a witness within the time of the state."""
        stated = self._state.stated
        if stated.unbounded:
            self._search_exactly()
        elif not ((domain := InputDomain.of(stated)).free.size == 0 and self._decide_point()):
            self._search_reduced(domain)

    def _decide_point(self) -> bool:
        """Decides a set of one input, without rounding; False where the network is too large."""
        x = self._state.stated.center
        try:
            margins = compute_margins(self._network, x, self._open)
        except NotExactError:
            return False
        least, pairs = min(margins), zip(margins, self._open, strict=True)
        if all(margin > 0 or (margin == 0 and one.strict) for margin, one in pairs):
            self._closed = ProvenBounds.from_rationals([least])
            self._close()
        elif not self._offer(x):
            self._state.reason = Reason(
                Ending.REFUSED,
                f"the margin of its one input is {float(least):.3g} without rounding, which ONNX "
                "Runtime does not show",
            )
        return True

    def _close(self) -> None:
        """Closes the input, whose disjuncts are all closed; 0 is a tie that does not count."""
        self._state.prove(self._closed, ProvedBy.COMPLETE)
        if self._closed.value == 0:
            self._state.exclude(ProvedBy.COMPLETE)

    def _search_reduced(self, domain: InputDomain) -> None:
        """Searches the reduced network, first with quick bounds of its units, then with better."""
        state = self._state
        if self._options.bounds_first or len(self._open) > _FEW_DISJUNCTS:
            with suppress(StoppedError):  # the search reports what stopped it
                self._drop_proven(domain)
            if not self._open:
                state.prove(self._closed, ProvedBy.LINEAR)
                return
        for steps in (0, _TIGHTENING_STEPS):
            if not self._open:
                break
            tightening = Tightening(steps=steps, deadline=state.deadline)
            try:
                reduced = reduce_network(self._network, domain, tightening)
            except TooLargeError as error:
                LinearBounds().prove([state])  # they take memory for a few rows at a time
                if state.reason is not None:
                    state.reason = Reason(error.ending, f"{state.reason}, and {error}")
                return
            except StoppedError as error:
                state.reason = error.reason
                return
            if steps == 0:
                self._drop_constants(reduced)
            if self._open and self._branch(reduced, tightening):
                return
        if not self._open:
            self._close()

    def _drop_proven(self, domain: InputDomain) -> None:
        """Closes the disjuncts that linear bounds prove, the quick ones first.

        The quick ones take the bounds of pre-activations from intervals, and substitute the margins
        alone back. The others substitute every unit back that intervals leave unstable: where these
        are more than the features, the reduced network, which carries the features forward, costs
        less. Thousands of disjuncts are mostly an expanded formula, and share a few rows.

        Raises:
            StoppedError: the bounds do not fit into memory, or there is no time for them.
        """
        inputs, deadline = [self._state.stated], self._limit(0, _BOUNDS_SHARE).deadline
        for method in (BoundsMethod.INTERVAL, BoundsMethod.LINEAR):
            known = bound_pre_activations(self._network, inputs, method, None, deadline)
            unsafe = [UnsafeSet(tuple(self._open))]
            (margins,) = bound_margins(
                self._network, inputs, unsafe, BoundsMethod.LINEAR, known, deadline
            )
            pairs = zip(self._open, margins.bounds, strict=True)
            self._open = [one for one, margin in pairs if not margin > 0]
            self._closed = self._closed.concatenate(margins.take(margins.bounds > 0)).least
            if not self._open or method is BoundsMethod.LINEAR:
                return
            if count_proven(self._network, known, 0).unstable > domain.free.size:
                return

    def _drop_constants(self, reduced: ReducedNetwork) -> None:
        """Closes the disjuncts with a safe margin that is constant, as that of equal outputs is."""
        left, safe = [], []
        for one in self._open:
            margins = [_ZERO, *self._find_constant_margins(reduced, one)]
            margin = max(margins)
            if margin > 0 or (len(margins) > 1 and one.strict):
                safe.append(margin)
            else:
                left.append(one)
        self._open = left
        self._closed = self._closed.concatenate(ProvenBounds.from_rationals(safe))

    def _find_constant_margins(
        self, reduced: ReducedNetwork, disjunct: Conjunction
    ) -> Iterator[Fraction]:
        """The constant margins of rows that are at least 0."""
        parts = [
            (disjunct.matrix @ part, np.abs(disjunct.matrix) @ np.abs(part))
            for part in (reduced.outputs_on_input, reduced.outputs_on_units)
        ]
        depends = sum(np.abs(product).sum(axis=1) for product, _ in parts)
        sizes = sum(size.sum(axis=1) for _, size in parts)
        for row in np.flatnonzero(depends <= _CONSTANT * sizes).tolist():
            bound = float(disjunct.bound[row])
            margin = find_constant_margin(self._network, disjunct.matrix[row], bound)
            if margin is not None and margin >= 0:
                yield margin

    def _branch(self, reduced: ReducedNetwork, tightening: Tightening) -> bool:
        """Searches a reduced network; True where a better one would not help."""
        state = self._state
        search = self._choose_search(reduced)
        # The first bounds suffice for many inputs, and the better ones may take much longer.
        last = tightening.steps > 0 or search is BoxSearch or reduced.units == 0
        nodes = self._options.node_limit if last else 0
        if jumps := reduced.jumps is not None:
            # This search does not separate the branches of selects, and may not need to.
            nodes = min(nodes, _FIRST_NODES)
        soon = last and not jumps and self._may_be_exact and nodes > _FIRST_NODES
        first, share = (_FIRST_NODES if soon else nodes), (_BEFORE_SELECTS if jumps else 1.0)
        found = self._search(reduced, search, first, share)
        if soon and found.is_open and found.ending is not Ending.TIE:
            # What stays open may be a tie, which no bounds ever decide.
            self._search_exactly(share=_EXACT_SHARE)
            if not state.is_open:
                return True
            found = self._search(reduced, search, nodes)
        if last and found.is_open and jumps:
            found = self._split_selects(search, tightening, found)
        if found.found:
            return True
        state.reason = found.reason
        if reduced.domain.rows is None or found.bound > 0:
            # Under relations only the sign of a bound is one of the margin.
            state.prove(found.proven.concatenate(self._closed), ProvedBy.COMPLETE)
        if found.reason is None:
            if found.bound > 0 and self._closed.value == 0:
                state.exclude(ProvedBy.COMPLETE)  # of ties that do not count
            return True
        if last and not jumps and found.ending is Ending.TIE:
            self._search_exactly(_TIE_NODES)
            if not state.is_robust:
                state.reason = found.reason
        return last

    def _choose_search(self, reduced: ReducedNetwork) -> type[ReducedSearch]:
        """The kind of search, by the inputs; :meth:`_search` may find a better one."""
        domain = reduced.domain
        if domain.rows is not None:
            related = domain.ball is None and reduced.units > 0
        else:
            related = domain.ball is None and relates_inputs(reduced, self._open)
        # Related inputs lie askew to boxes, along edges without end; equations do too.
        if related and reduced.units <= _FEW_UNITS:
            return ProgramSearch
        # A box without width cannot be halved.
        is_few = 0 < reduced.inputs <= _FEW_FEATURES
        is_box = domain.ball is None and domain.rows is None and not related
        return BoxSearch if is_few and is_box else SignSearch

    def _probe(self, reduced: ReducedNetwork) -> SearchResult | type[ReducedSearch]:
        """Short searches over signs and over boxes, in turn.

        Boxes win where a margin depends on few of the features, signs where it depends on all.

        Returns:
            The result of one that was no less than complete, or the kind with the larger bound.
        """
        best: type[ReducedSearch] = SignSearch
        for nodes in _PROBE_NODES:
            bounds: dict[type[ReducedSearch], float] = {}
            for kind in (SignSearch, BoxSearch):
                found = kind(reduced, self._open, self._offer).run(self._limit(nodes))
                self._state.effort += found.effort
                if found.ending is not Ending.OUT_OF_NODES:
                    return found
                bounds[kind] = found.bound
            best = max(bounds, key=lambda kind: bounds[kind])
        return best

    @property
    def _may_be_exact(self) -> bool:
        """Whether the input set is a box, and the network small enough for exact arithmetic."""
        small = self._network.input_size + self._network.units <= _SMALL
        box = self._state.stated.norm.order == np.inf and self._state.stated.rows is None
        return small and box

    def _search(
        self,
        reduced: ReducedNetwork,
        search: type[ReducedSearch],
        nodes: float,
        share: float = 1.0,
    ) -> SearchResult:
        """A search; before boxes are halved, an ascent tells whether there is a need for it.

        Of more features than boxes are always halved for, short searches tell whether they are.
        """
        is_box = reduced.domain.ball is None and reduced.domain.rows is None
        few = _FEW_FEATURES < reduced.inputs <= _MANY_FEATURES
        if search is SignSearch and is_box and few and nodes > sum(_PROBE_NODES):
            probed = self._probe(reduced)
            if isinstance(probed, SearchResult):
                return probed
            search = probed
        limits = self._limit(nodes, share)
        if search is BoxSearch:
            roots = SignSearch(reduced, self._open, self._offer).run(replace(limits, nodes=0))
            self._state.effort += roots.effort
            if not roots.is_open or roots.ending is Ending.TIE:
                return roots
        found = search(reduced, self._open, self._offer).run(limits)
        self._state.effort += found.effort
        return found

    def _split_selects(
        self, search: type[ReducedSearch], tightening: Tightening, before: SearchResult
    ) -> SearchResult:
        """A search that separates the branches of selects, after one that does not."""
        within = SignSearch if search is BoxSearch else search
        domain = InputDomain.of(self._state.stated)
        nodes = max(self._options.node_limit - self._state.effort.nodes, 1)
        selects = SelectSearch(self._network, domain, tightening, self._open, self._offer, within)
        found = selects.run(self._limit(nodes))
        self._state.effort += found.effort
        return replace(found, proven=found.proven.maximum(before.proven))

    def _search_exactly(self, nodes: float = np.inf, share: float = 1.0) -> None:
        """Searches a small network in rational arithmetic, which needs no bounds of the inputs.

        Args:
            nodes: the most programs solved.
            share: of the time that is left.
        """
        state = self._state
        limits = self._limit(min(self._options.node_limit, nodes), share)
        try:
            system = build_exact_system(self._network, state.stated, limits.deadline)
        except NotExactError as error:
            if not state.stated.unbounded:
                return
            LinearBounds().prove([state])
            if not state.is_robust:
                state.reason = Reason(Ending.NO_BOUNDS, f"an input has no bound, and {error}")
            return
        except OutOfTimeError as error:
            state.reason = error.reason
            return
        found = ExactSearch(system, state.problem.unsafe.disjuncts, self._offer).run(limits)
        state.effort += found.effort
        state.reason = found.reason
        if found.ending is Ending.PROVEN:
            state.exclude(ProvedBy.COMPLETE)

    def _limit(self, nodes: float, share: float = 1.0) -> Limits:
        """So many nodes, and a share of the time that is left."""
        now = time.monotonic()
        deadline = now + share * (self._state.deadline - now)
        return Limits(deadline, nodes, self._options.memory_limit)
