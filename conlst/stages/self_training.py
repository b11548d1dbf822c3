"""Stage 2, one iteration: train on the trusted pseudo-labels under strong views (Eq. 12-14).

L = CE(source) + lambda * w_i * CE(y_i, f(A(x_i)))   over the rows i that the selector kept

Offline, the paper's loop, the selector decides once, on the whole pool, and the dropped rows are
left out. Online, as FixMatch and its kin, it decides on every batch by what the model says of it at
that step, and the dropped rows count as zeros in the mean. To retrain is to decide once, and then
to go through source and selected rows as one set, in which every row counts alike.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from conlst.arrays import LossInput, Pool, Selection, SourceView
from conlst.errors import ConlstWarning
from conlst.model import Classifier
from conlst.predict import refuse_nan, stochastic_passes
from conlst.progress import Progress
from conlst.recipe import SelfTrainingStage
from conlst.stages.branch import Batch
from conlst.stages.encoded import labelled
from conlst.stages.material import Source, Target
from conlst.stages.views import strong_views
from conlst.tokens import EndlessBatches, length_batches
from conlst.train import Term, Tools, optimise
from conlst.transfer import on


@dataclass(frozen=True)
class Outcome:
    """What an iteration leaves beside the changed model."""

    facts: dict[str, object]
    selection: Selection


def train(
    stage: SelfTrainingStage,
    model: Classifier,
    source: Source,
    target: Target,
    pool: Pool,
    tools: Tools,
) -> Outcome:
    """Select from the pool and train on what was selected, beside source rows."""
    work = _Work(stage, model, source, target, tools)
    return _online(work, pool) if stage.mode == "online" else _offline(work, pool)


class _Work:
    """What both ways of selecting share: sources, strong views, the terms of Eq. 12."""

    def __init__(
        self,
        stage: SelfTrainingStage,
        model: Classifier,
        source: Source,
        target: Target,
        tools: Tools,
    ) -> None:
        self.stage, self.model, self.source, self.target = stage, model, source, target
        self.tools, self.generator = tools, tools.generator
        self.loss = model.built(stage.loss)
        self.source_loss = stage.source_loss and model.built(stage.source_loss)
        self.sources = self._endless("sources")
        mixes = stage.augment is not None and "source" in stage.augment.all_needs()
        self.partners = self._endless("partners") if mixes else None

    def _endless(self, name: str) -> EndlessBatches:
        lengths, size = self.source.tokens.lengths, self.stage.batch_size
        stream = EndlessBatches(lengths, size, generator=self.generator)
        self.tools.snapshot.keep(**{name: stream})
        return stream

    def source_terms(self, x: LossInput, progress: float, share: float = 1.0) -> list[Term]:
        """CE(source), where the recipe has it, scaled by `share`."""
        if self.source_loss is None:
            return []
        return [Term("source", self.source_loss(replace(x, progress=progress)), share)]

    def target_term(self, rows: Selection, progress: float, share: float = 1.0) -> Term:
        """Lambda * w_i * CE(y_i, f(A(x_i))) on some rows of the pool, scaled by `share`."""
        batch = self.target.batch(rows.index, rows.target_KC)
        partners: Batch | None = None
        if self.partners:
            partners = self.source.batch(next(self.partners))
        origin, x = strong_views(
            self.stage.augment,
            self.model,
            batch,
            self.stage.loss,
            generator=self.generator,
            partners=partners,
        )
        weight = on(x.logits.device, rows.weight[origin])
        loss = self.loss(replace(x, progress=progress))
        return Term("target", loss, self.stage.target_weight * share, weight)

    def optimise(
        self, lengths: Tensor, terms: Callable[[Tensor, float], list[Term]], iteration: int
    ) -> dict[str, object]:
        """Train over rows of these lengths; returns what the report tells."""
        stage, B = self.stage, self.stage.batch_size
        epochs = [length_batches(lengths, B, generator=self.generator) for _ in range(stage.epochs)]
        what = f"stage 2: self-training, iteration {iteration}"
        means = optimise(self.model, epochs, terms, stage, self.tools, what)
        return {"loss": means, "steps": sum(map(len, epochs))}


def _offline(work: _Work, pool: Pool) -> Outcome:
    """One decision on the whole pool."""
    selection = work.stage.selector(pool, generator=work.generator)
    facts: dict[str, object] = {"selected": len(selection.index), "rows": len(pool)}
    if len(selection.index) == 0:
        warnings.warn(
            "the selector trusts no row: this iteration trains nothing", ConlstWarning, stacklevel=2
        )
        return Outcome(facts, selection)
    way = _as_one_set if work.stage.mode == "retrain" else _beside_source_rows
    return Outcome(facts | way(work, selection, pool.round), selection)


def _beside_source_rows(work: _Work, selection: Selection, iteration: int) -> dict[str, object]:
    """Go through the selected rows, as many source rows beside them."""

    def terms(chosen_B: Tensor, progress: float) -> list[Term]:
        out = [work.target_term(_rows(selection, chosen_B), progress)]
        if work.source_loss is None:
            return out
        x = labelled(work.model, work.source, next(work.sources))
        return out + work.source_terms(x, progress)

    lengths = work.target.tokens.lengths[selection.index]
    return work.optimise(lengths, terms, iteration)


def _as_one_set(work: _Work, selection: Selection, iteration: int) -> dict[str, object]:
    """Go through the selected rows and all source rows, numbered one after the other."""
    K = len(selection.index)

    def terms(chosen_B: Tensor, progress: float) -> list[Term]:
        selected, sources = chosen_B[chosen_B < K], chosen_B[chosen_B >= K] - K
        out, share = [], len(selected) / len(chosen_B)
        if len(selected):
            out.append(work.target_term(_rows(selection, selected), progress, share))
        if len(sources):
            x = labelled(work.model, work.source, sources)
            out += work.source_terms(x, progress, 1 - share)
        return out

    lengths = [work.target.tokens.lengths[selection.index]]
    lengths += [work.source.tokens.lengths] if work.source_loss else []
    return work.optimise(torch.cat(lengths), terms, iteration)


def _online(work: _Work, pool: Pool) -> Outcome:
    """A decision on every batch; the outcome is what each row was last taken for."""
    N, C = len(pool), len(pool.classes)
    pool = replace(pool, history=())  # no batch has one, and to cut it costs the more, the longer
    selector = work.model.built(work.stage.selector, rows=N)
    taken = _Taken(N, C)
    work.tools.snapshot.keep(taken=taken)

    def terms(batch_B: Tensor, progress: float) -> list[Term]:
        rows_B = batch_B.sort().values
        x = labelled(work.model, work.source, next(work.sources))
        seen = _as_seen_now(work, pool, rows_B, x)
        chosen = selector(seen, generator=work.generator)
        rows = Selection(rows_B[chosen.index], chosen.target_KC, chosen.weight)
        taken.put(rows_B, rows)
        out = work.source_terms(x, progress)
        if len(rows.index):
            share = len(rows.index) / len(rows_B)  # dropped rows are zeros in the mean
            out.append(work.target_term(rows, progress, share))
        return out or [Term("target", 0 * x.logits.sum(1))]

    facts = work.optimise(work.target.tokens.lengths, terms, pool.round)
    selection = taken.selection()
    if len(selection.index) == 0:
        warnings.warn("the selector never trusted any row", ConlstWarning, stacklevel=2)
    told: dict[str, object] = {"selected": len(selection.index), "rows": N}
    return Outcome(told | facts, selection)


class _Taken:
    """What each row of a pool was last taken for, and how much it counted; 0: it was dropped."""

    def __init__(self, N: int, C: int) -> None:
        self.target_NC, self.weight_N = torch.zeros(N, C), torch.zeros(N)

    def put(self, rows_B: Tensor, chosen: Selection) -> None:
        """Take in a batch, and which of its rows were chosen."""
        self.weight_N[rows_B] = 0.0
        self.weight_N[chosen.index] = chosen.weight.float()
        self.target_NC[chosen.index] = chosen.target_KC.float()

    def selection(self) -> Selection:
        index = self.weight_N.nonzero().flatten()
        return Selection(index, self.target_NC[index], self.weight_N[index])

    def state_dict(self) -> dict[str, Tensor]:
        return {"target_NC": self.target_NC, "weight_N": self.weight_N}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.target_NC, self.weight_N = state["target_NC"], state["weight_N"]


def _as_seen_now(work: _Work, pool: Pool, rows_B: Tensor, x: LossInput) -> Pool:
    """A batch of the pool as the model sees it at this step, without dropout."""
    model, tokens = work.model, work.target.tokens
    probs_PNC = None
    if many := work.stage.selector.passes_needed():
        probs_PNC = stochastic_passes(
            model, tokens.take(rows_B), many, Progress(), "", generator=work.generator
        )
    model.eval()
    with torch.no_grad():
        out = model.encode(tokens, rows_B)
        probs = model.probabilities(out.logits, out.features)
    refuse_nan(probs.cpu(), f"stage 2: self-training, iteration {pool.round}")
    model.train()
    assert x.target is not None
    assert x.features is not None
    with torch.no_grad():
        source_probs = model.probabilities(x.logits, x.features).cpu()
    return replace(
        pool.take(rows_B),
        logits_NC=out.logits.cpu(),
        probs_NC=probs.cpu(),
        features_ND=out.features.cpu(),
        probs_PNC=probs_PNC,
        source=SourceView(source_probs, x.features.detach().cpu(), x.target.argmax(1).cpu()),
    )


def _rows(selection: Selection, chosen: Tensor) -> Selection:
    """Some of the selected rows, in pool order (a batch has no order of its own)."""
    chosen = chosen.sort().values
    return Selection(selection.index[chosen], selection.target_KC[chosen], selection.weight[chosen])
