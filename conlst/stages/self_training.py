"""Stage 2, one iteration: train on the trusted pseudo-labels under strong views (Eq. 12-14).

L = CE(source) + lambda * w_i * CE(y_i, f(A(x_i)))   over the rows i that the selector kept
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from conlst.arrays import LossInput, Pool, Selection
from conlst.augment import Augmenter
from conlst.errors import ConlstWarning
from conlst.model import Classifier
from conlst.recipe import SelfTrainingStage
from conlst.stages.material import Source, Target
from conlst.tokens import endless_batches, length_batches, pad
from conlst.train import Term, Tools, optimise


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
    """Select from the pool and train on what was selected, beside as many source rows."""
    g, B = tools.generator, stage.batch_size
    selection = stage.selector(pool, generator=g)
    facts: dict[str, object] = {"selected": len(selection.index), "rows": len(pool)}
    if len(selection.index) == 0:
        warnings.warn(
            "the selector trusts no row: this iteration trains nothing", ConlstWarning, stacklevel=2
        )
        return Outcome(facts, selection)
    sources = endless_batches(source.tokens.lengths, B, generator=g)

    def terms(chosen_B: Tensor) -> list[Term]:
        origin, logits, aims = _strong_views(stage.augment, model, target, selection, chosen_B, g)
        weight = selection.weight[chosen_B][origin].to(logits.device)
        loss = stage.loss(LossInput(logits=logits, target=aims))
        out = [Term("target", loss, stage.target_weight, weight)]
        if stage.source_loss:
            rows = next(sources)
            seen = model.encode(source.tokens, rows).logits
            y = LossInput(logits=seen, target=source.one_hot(rows).to(seen.device))
            out.append(Term("source", stage.source_loss(y)))
        return out

    lengths = target.tokens.lengths[selection.index]
    epochs = [length_batches(lengths, B, generator=g) for _ in range(stage.epochs)]
    what = f"stage 2: self-training, iteration {pool.round}"
    means = optimise(model, epochs, terms, stage, tools, what)
    return Outcome(facts | {"loss": means, "steps": sum(map(len, epochs))}, selection)


def _strong_views(
    augment: Augmenter | None,
    model: Classifier,
    target: Target,
    selection: Selection,
    chosen_B: Tensor,
    g: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """(origin in the batch, logits, targets) of every view that the augmenter makes of a batch."""
    whole = (torch.arange(len(chosen_B)), ())
    branches = augment.branches(len(chosen_B), generator=g) if augment else [whole]
    parts = [
        _branch(chain, origin, model, target, selection, chosen_B, g) for origin, chain in branches
    ]
    origins, logits, targets = zip(*parts, strict=True)
    return torch.cat(origins), torch.cat(logits), torch.cat(targets)


def _branch(
    chain: tuple[Augmenter, ...],
    origin: Tensor,
    model: Classifier,
    target: Target,
    selection: Selection,
    chosen_B: Tensor,
    g: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Take some rows of the batch through texts, tokens and features, level by level."""
    tokens, rows = target.tokens, selection.index[chosen_B[origin]]
    if at_rows := list(_of(chain, "rows")):
        texts = target.rows.take(rows.tolist())
        for augmenter in at_rows:
            texts, made_from = augmenter.rows(texts, generator=g)
            origin = origin[made_from]
        tokens, rows = model.tokenise(texts), torch.arange(len(texts))
    batch = pad(tokens, rows, model.tokenizer)
    for augmenter in _of(chain, "tokens"):
        batch = augmenter.tokens(batch, generator=g)
    encoded = model(batch)
    aims = selection.target_KC[chosen_B[origin]].to(encoded.logits.device)
    at_features = list(_of(chain, "features"))
    if not at_features:
        return origin, encoded.logits, aims
    features = encoded.features
    for augmenter in at_features:
        features, aims = augmenter.features(features, aims, generator=g)
    return origin, model.classify(features), aims


def _of(chain: tuple[Augmenter, ...], level: str) -> Iterator[Augmenter]:
    return (augmenter for augmenter in chain if augmenter.level == level)
