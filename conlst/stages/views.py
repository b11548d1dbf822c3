"""Strong views of a batch: texts, tokens and features, each augmenter at its own level."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from conlst.arrays import Points, Rows, Tokens
from conlst.augment import Augmenter
from conlst.model import Classifier
from conlst.tokens import pad


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows to make views of, with what they are taken for."""

    texts: Rows
    """All texts, which `rows` counts through."""
    tokens: Tokens
    """The same, as tokens."""
    rows: Tensor
    """int64[B]"""
    target_BC: Tensor


@dataclass(frozen=True, eq=False)
class Views:
    """V views of a batch, as the model sees them."""

    origin: Tensor
    """int64[V]: the row of the batch that each was made from."""
    logits: Tensor
    """float[V, C]"""
    target: Tensor
    """float[V, C]: mixed where features were mixed."""


def strong_views(
    augment: Augmenter | None, model: Classifier, batch: Batch, *, generator: torch.Generator
) -> Views:
    """Every view that the augmenter makes of a batch; without one, the texts as they are."""
    everyone = torch.arange(len(batch.rows))
    branches = augment.branches(len(everyone), generator=generator) if augment else [(everyone, ())]
    parts = [_branch(chain, origin, model, batch, generator) for origin, chain in branches]
    return Views(
        torch.cat([part.origin for part in parts]),
        torch.cat([part.logits for part in parts]),
        torch.cat([part.target for part in parts]),
    )


def _branch(
    chain: tuple[Augmenter, ...],
    origin: Tensor,
    model: Classifier,
    batch: Batch,
    g: torch.Generator,
) -> Views:
    """Take some rows of the batch through texts, tokens and features, level by level."""
    tokens, rows = batch.tokens, batch.rows[origin]
    if at_rows := list(_of(chain, "rows")):
        texts = batch.texts.take(rows.tolist())
        for augmenter in at_rows:
            texts, made_from = augmenter.rows(texts, generator=g)
            origin = origin[made_from]
        tokens, rows = model.tokenise(texts), torch.arange(len(texts))
    padded = pad(tokens, rows, model.tokenizer)
    for augmenter in _of(chain, "tokens"):
        padded = augmenter.tokens(padded, generator=g)
    encoded = model(padded)
    target = batch.target_BC[origin].to(encoded.logits.device)
    at_features = list(_of(chain, "features"))
    if not at_features:
        return Views(origin, encoded.logits, target)
    points = Points(encoded.features, target, torch.zeros(len(target), dtype=torch.int64))
    for augmenter in at_features:
        points = augmenter.features(points, generator=g)
    return Views(origin, model.classify(points.values), points.target_BC)


def _of(chain: tuple[Augmenter, ...], level: str) -> Iterator[Augmenter]:
    return (augmenter for augmenter in chain if augmenter.level == level)
