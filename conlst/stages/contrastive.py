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
from torch.nn.functional import one_hot

from conlst.arrays import LossInput, Pool
from conlst.errors import ConlstWarning
from conlst.model import Classifier
from conlst.negatives import NegativeSampler
from conlst.recipe import ContrastiveStage
from conlst.stages.encoded import Negatives, compared, labelled
from conlst.stages.material import Source, Target
from conlst.tokens import EndlessBatches, length_batches
from conlst.train import Term, Tools, optimise
from conlst.transfer import on


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
    g = tools.generator
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
    negatives = Negatives.of(stage, model, pool)
    loss = model.built(stage.loss)
    if negatives:
        tools.snapshot.keep(negatives=negatives)
    source_terms = _source_terms(stage, model, source, tools)

    def terms(anchors_B: Tensor, progress: float) -> list[Term]:
        complement_BC = _drawn(stage, admissible_NC[anchors_B], g)
        rows_BK = negatives.draw(anchors_B, complement_BC, generator=g) if negatives else None
        drawer = negatives.drawer if negatives else None
        x = compared(stage, model, target, pool, anchors_B, complement_BC, rows_BK, drawer)
        return [
            Term("contrastive", loss(replace(x, progress=progress))),
            *source_terms(progress),
        ]

    lengths = target.tokens.lengths[anchors]
    epochs = [
        [anchors[batch] for batch in length_batches(lengths, stage.batch_size, generator=g)]
        for _ in range(stage.epochs)
    ]
    steps = sum(map(len, epochs))
    look = {round(steps * (i + 1) / stage.curve) for i in range(stage.curve)}
    what = "stage 1: contrastive negative learning"
    means = optimise(
        model,
        epochs,
        terms,
        stage,
        tools,
        what,
        lambda step: observe(step) if step in look else None,
    )
    if negatives:
        facts |= {"negatives": negatives.census()}
    return Outcome(facts | {"loss": means, "steps": steps}, admissible_NC)


def _drawn(stage: ContrastiveStage, admissible_BC: Tensor, g: torch.Generator) -> Tensor:
    """bool[B, C]: one admissible complementary label a row, or all of them."""
    if stage.draw == "all":
        return admissible_BC
    drawn_B = torch.multinomial(admissible_BC.float(), 1, generator=g).flatten()
    return one_hot(drawn_B, admissible_BC.shape[1]).bool()


def _source_terms(
    stage: ContrastiveStage, model: Classifier, source: Source, tools: Tools
) -> Callable[[float], list[Term]]:
    """L_CLCS on the next batch of source rows, each with one complementary label (Eq. 7)."""
    if stage.source_loss is None:
        return lambda progress: []
    loss, g = model.built(stage.source_loss), tools.generator
    sources = EndlessBatches(source.tokens.lengths, stage.batch_size, generator=g)
    tools.snapshot.keep(sources=sources)

    def terms(progress: float) -> list[Term]:
        rows = next(sources)
        x = _source_input(model, source, rows, g)
        return [Term("source", loss(replace(x, progress=progress)), stage.source_weight)]

    return terms


def _source_input(model: Classifier, source: Source, rows: Tensor, g: torch.Generator) -> LossInput:
    """Source rows with their label and one complementary label drawn from all the others."""
    x = labelled(model, source, rows)
    drawn = torch.multinomial(1 - source.one_hot(rows), 1, generator=g).flatten()
    complement = one_hot(drawn, len(source.classes)).bool()
    return replace(x, complement=on(x.logits.device, complement))


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
