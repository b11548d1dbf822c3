"""Stage 1: contrastive negative learning (CoNL; Li et al. 2024, Eq. 4-8).

ybar_i ~ admissible complementary labels of i          (Eq. 4, drawn anew at every step)
N_i    = K confident rows whose pseudo-label is ybar_i (Eq. 5)
L      = L_CL(anchor, second view, N_i) + lambda * L_CLCS(source)    (Eq. 6-8)
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from conlst.arrays import LossInput, Pool
from conlst.errors import ConlstWarning
from conlst.model import Classifier
from conlst.negatives import NegativeSampler
from conlst.recipe import ContrastiveStage
from conlst.stages.material import Source, Target
from conlst.tokens import endless_batches, length_batches
from conlst.train import Term, Tools, optimise


@dataclass(frozen=True)
class Outcome:
    """What stage 1 leaves beside the changed model."""

    facts: dict[str, object]
    complement_NC: Tensor
    """bool[N, C]: what each row was held not to be."""


def train(
    stage: ContrastiveStage,
    model: Classifier,
    source: Source,
    target: Target,
    pool: Pool,
    tools: Tools,
    observe: Callable[[int], None] = lambda step: None,
) -> Outcome:
    """One stage over all anchors of the pool. `observe(step)` is called `stage.curve` times."""
    g, C, B = tools.generator, len(pool.classes), stage.batch_size
    trusted = stage.confident(pool, generator=g).index
    confident = torch.zeros(len(pool), dtype=torch.bool).index_fill_(0, trusted, True)
    pool = replace(pool, confident=confident)
    admissible_NC = stage.complement(pool, generator=g)
    anchors = admissible_NC.any(1).nonzero().flatten()
    per_class = pool.confident_by_class[1].diff()
    facts = _census(pool, per_class, len(anchors))
    if len(anchors) == 0:
        warnings.warn(
            "no row has a complementary label: stage 1 has no anchor", ConlstWarning, stacklevel=2
        )
        return Outcome(facts, admissible_NC)
    if stage.negatives:
        _warn_of_empty_classes(pool, per_class, stage.negatives)
    sources = endless_batches(source.tokens.lengths, B, generator=g)

    def terms(anchors_B: Tensor) -> list[Term]:
        complement_B = torch.multinomial(admissible_NC[anchors_B].float(), 1, generator=g).flatten()
        complement_BC = torch.nn.functional.one_hot(complement_B, C).bool()
        x = _views(stage, model, target, anchors_B, complement_BC)
        if stage.negatives:
            rows_BK = stage.negatives.draw(pool, anchors_B, complement_B, generator=g)
            x = _with_negatives(x, model, target, rows_BK)
        out = [Term("contrastive", stage.loss(x))]
        if stage.source_loss:
            y = _source_input(model, source, next(sources), g)
            out.append(Term("source", stage.source_loss(y), stage.source_weight))
        return out

    lengths = target.tokens.lengths[anchors]
    epochs = [
        [anchors[batch] for batch in length_batches(lengths, B, generator=g)]
        for _ in range(stage.epochs)
    ]
    steps = sum(map(len, epochs))
    look = {round(steps * (i + 1) / stage.curve) for i in range(stage.curve)}
    means = optimise(
        model,
        epochs,
        terms,
        stage,
        tools,
        "stage 1: contrastive negative learning",
        lambda step: observe(step) if step in look else None,
    )
    return Outcome(facts | {"loss": means, "steps": steps}, admissible_NC)


def _views(
    stage: ContrastiveStage, model: Classifier, target: Target, rows: Tensor, complement: Tensor
) -> LossInput:
    """The anchors; for a loss that compares views, also under another dropout mask."""
    if "views" not in stage.loss.all_needs():
        logits = model.encode(target.tokens, rows).logits
        return LossInput(logits=logits, complement=complement.to(logits.device))
    B = len(rows)
    both = model.encode(target.tokens, rows.repeat(2))
    h = model.project(both.features)
    return LossInput(
        logits=both.logits[:B],
        complement=complement.to(h.device),
        anchor=h[:B],
        positive=h[B:],
        language=target.language[rows].to(h.device),
    )


def _with_negatives(x: LossInput, model: Classifier, target: Target, rows_BK: Tensor) -> LossInput:
    """Encode every negative of the batch once, with gradient, and say whose it is."""
    rows_M, place_BK = rows_BK.unique(return_inverse=True)
    mask_BM = torch.zeros(len(rows_BK), len(rows_M), dtype=torch.bool).scatter_(1, place_BK, True)
    real = rows_M >= 0  # -1 stands where there was no negative
    rows_M, mask_BM = rows_M[real], mask_BM[:, real]
    if len(rows_M) == 0:
        D = x.logits.shape[1] if x.anchor is None else x.anchor.shape[1]
        return replace(
            x, negatives=x.logits.new_zeros(0, D), negative_mask=mask_BM.to(x.logits.device)
        )
    h_MD = model.project(model.encode(target.tokens, rows_M).features)
    return replace(x, negatives=h_MD, negative_mask=mask_BM.to(h_MD.device))


def _source_input(model: Classifier, source: Source, rows: Tensor, g: torch.Generator) -> LossInput:
    """Source rows with their label and one complementary label drawn from all the others."""
    target = source.one_hot(rows)
    drawn = torch.multinomial(1 - target, 1, generator=g).flatten()
    complement = torch.nn.functional.one_hot(drawn, len(source.classes)).bool()
    logits = model.encode(source.tokens, rows).logits
    return LossInput(
        logits=logits, target=target.to(logits.device), complement=complement.to(logits.device)
    )


def _census(pool: Pool, per_class: Tensor, anchors: int) -> dict[str, object]:
    counts = dict(zip(pool.classes, per_class.tolist(), strict=True))
    return {"confident": counts, "anchors": anchors, "rows": len(pool)}


def _warn_of_empty_classes(pool: Pool, per_class: Tensor, sampler: NegativeSampler) -> None:
    few = [c for c, n in zip(pool.classes, per_class.tolist(), strict=True) if n < sampler.count]
    if few:
        counts = dict(zip(pool.classes, per_class.tolist(), strict=True))
        warnings.warn(
            f"fewer than K = {sampler.count} confident rows are predicted as {', '.join(few)} "
            f"(confident rows by class: {counts}); a lower threshold in contrastive.confident "
            "gives more",
            ConlstWarning,
            stacklevel=3,
        )
