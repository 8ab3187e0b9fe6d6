"""Products with constant matrices."""

from __future__ import annotations

from math import sqrt

from tests.support.random_graphs.draft import Draft, Tensor

_EINSUMS = {
    2: ["bi,ij->bj", "bi,ji->bj", "bi,i->bi", "ij,bj->bi", "bi,ij", "...i,ij->...j",
        "bi,ij,jk->bk"],
    3: ["bij,jk->bik", "bij,kj->bik", "ij,bjk->bik", "bij,j->bi", "bij,ij->bi", "bij->bji",
        "bij->bi", "...i,ij->...j", "Bij,ki->Bkj", "bij,jk", "bij,i->bij", "bij->b j",
        "bij,ik,jl->bkl"],
    4: ["bchw,oc->bohw", "bchw->bhwc", "bchw->bc", "...i,ij->...j", "bhqk,hkd->bhqd",
        "bchw,chw->bc", "bijk,kl->bijl"],
    5: ["bijkl,lm->bijkm", "...i,ij->...j", "bijkl->blj"],
}  # fmt: skip
"""Terms with one computed operand, the one that names the batch axis b, B or by dots."""


def gemm(draft: Draft, x: Tensor) -> str:
    """Gemm behind a matrix."""
    draft.need(x.rank == 2)
    rows, columns = x.shape[0], draft.integer(1, 8)
    weight = draft.normal(rows, columns, scale=1 / sqrt(rows))
    turned = draft.chance(0.5)
    inputs = [x, draft.constant(weight.T if turned else weight)]
    if draft.opset < 11 or draft.chance(0.7):
        shape = draft.pick([(columns,), (1, columns), (1,), (), (1, 1)])
        inputs.append(draft.constant(draft.normal(*shape, scale=0.5)))
    scales = {name: (draft.pick([1.0, 1.0, 0.5, -1.5]), 1.0) for name in ("alpha", "beta")}
    return draft.add("Gemm", inputs, **draft.sparse(**scales, transB=(int(turned), 0)))


def matmul_right(draft: Draft, x: Tensor) -> str:
    """MatMul with a constant behind: a matrix, a vector, or a matrix for each place."""
    inner = x.shape[-1]
    shape = [inner, draft.integer(1, 6)]
    if x.rank > 2 and draft.chance(0.15):
        shape = [inner]
    elif x.rank > 3 and draft.chance(0.5):
        shape = [draft.pick([1, extent]) for extent in x.shape[:-2]] + shape
        shape = [1, *shape] if draft.chance(0.4) else shape
    elif x.rank > 2 and draft.chance(0.2):
        shape = [1] * draft.integer(1, x.rank - 2) + shape
    return draft.add("MatMul", [x, draft.constant(draft.normal(*shape, scale=1 / sqrt(inner)))])


def matmul_left(draft: Draft, x: Tensor) -> str:
    """MatMul with a constant in front."""
    draft.need(x.rank > 2)
    inner = x.shape[-2]
    shape = [draft.integer(1, 6), inner]
    if draft.chance(0.15):
        shape = [inner]
    elif x.rank > 3 and draft.chance(0.5):
        shape = [draft.pick([1, extent]) for extent in x.shape[:-2]] + shape
    elif draft.chance(0.3):
        shape = [1, *shape]
    return draft.add("MatMul", [draft.constant(draft.normal(*shape, scale=1 / sqrt(inner))), x])


def einsum(draft: Draft, x: Tensor) -> str:
    """Einsum with one computed operand."""
    draft.need(draft.opset >= 12)
    equation = draft.pick(_EINSUMS[x.rank])
    terms = equation.replace(" ", "").split("->")[0].split(",")
    place = next(i for i, term in enumerate(terms) if term[0] in "bB." or "b" in term)
    letters = terms[place].replace("...", "")
    extents = dict(zip(letters[::-1], x.shape[::-1], strict=False))
    inputs: list[Tensor | str] = []
    for position, term in enumerate(terms):
        if position == place:
            inputs.append(x)
            continue
        for letter in term:
            extents.setdefault(letter, draft.integer(1, 4))
        shape = [extents[letter] for letter in term]
        inputs.append(draft.constant(draft.normal(*shape, scale=1 / sqrt(shape[0]))))
    return draft.add("Einsum", inputs, equation=equation)


def batch_normalization(draft: Draft, x: Tensor) -> str:
    """BatchNormalization as inference uses it."""
    channels = x.shape[0]
    draft.need(x.rank > 2 or draft.chance(0.5))
    values = [
        draft.generator.uniform(0.5, 1.5, channels) * draft.generator.choice([1, 1, 1, -1]),
        draft.normal(channels, scale=0.5),
        draft.normal(channels, scale=0.5),
        draft.generator.uniform(0.3, 1.5, channels),
    ]
    inputs = [draft.constant(value) for value in values]
    attributes = draft.sparse(epsilon=(draft.pick([1e-5, 1e-3]), 1e-5), momentum=(0.9, 0.9))
    if draft.opset < 9:
        attributes |= draft.sparse(spatial=(1, 1))
    if draft.opset >= 14:
        attributes |= draft.sparse(training_mode=(0, 0))
    return draft.add("BatchNormalization", [x.name, *inputs], **attributes)


def matmul_sparse(draft: Draft, x: Tensor) -> str:
    """MatMul with a sparse matrix whose rows and columns may be all zero."""
    inner = x.shape[-1]
    mask = draft.generator.integers(0, 2, (inner, inner))
    return draft.add("MatMul", [x, draft.constant(mask * draft.normal(inner, inner))])
