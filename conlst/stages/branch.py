"""One branch of views: rows of a batch on their way through the augmenters of a chain."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from conlst.arrays import LossInput, Points, Rows, TokenBatch, Tokens
from conlst.augment import Augmenter
from conlst.inside import Change, Looks, changed, seen
from conlst.model import Classifier
from conlst.tokens import pad, stacked
from conlst.transfer import on

Chain = tuple[Augmenter, ...]


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
    language: Tensor
    """int64[B]: index into the run's languages."""

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, index: Tensor) -> "Batch":
        """Some of the rows, in the order of `index`, which may repeat."""
        return Batch(
            self.texts, self.tokens, self.rows[index], self.target_BC[index], self.language[index]
        )


def branch(
    chain: Chain,
    batch: Batch,
    model: Classifier,
    looks: Looks,
    *,
    generator: torch.Generator,
    partners: Batch | None = None,
) -> tuple[Tensor, LossInput]:
    """Take a batch through texts, tokens, states and features, level by level.

    Returns:
        The row of the batch that each of V views was made from, int64[V], and the views.
    """
    tokens, rows = batch.tokens, batch.rows
    made_from = torch.arange(len(batch))
    if at_rows := list(_of(chain, "rows")):
        texts = batch.texts.take(rows.tolist())
        for augmenter in at_rows:
            texts, made = augmenter.rows(texts, generator=generator)
            made_from = made_from[made]
        tokens, rows = model.tokenise(texts), torch.arange(len(texts))
    padded = pad(tokens, rows, model.tokenizer)
    for augmenter in _of(chain, "tokens"):
        padded = augmenter.tokens(padded, generator=generator)
    mates = None
    if any("source" in augmenter.needs for augmenter in chain):
        if partners is None:
            raise ValueError("an augmenter of this chain needs source rows")
        mates = partners.part(torch.arange(len(rows)) % len(partners))
        padded = stacked(padded, pad(mates.tokens, mates.rows, model.tokenizer), model.tokenizer)
    flight = _Flight(padded, batch.part(made_from), mates, model)
    return made_from, flight.go(chain, looks, generator)


class _Flight:
    """One forward pass: states change on the way, and with them targets and attention.

    The first V rows are the batch's; behind them stand those of `mates`, to be mixed with.
    """

    def __init__(
        self, padded: TokenBatch, batch: Batch, mates: Batch | None, model: Classifier
    ) -> None:
        self.padded, self.mates, self.model, self.V = padded, mates, model, len(batch)
        self.target = on(model.device, batch.target_BC)
        self.language = on(model.device, batch.language)
        self.attention = on(model.device, padded.attention_BT)
        self.special = on(model.device, padded.special_BT)

    def go(self, chain: Chain, looks: Looks, generator: torch.Generator) -> LossInput:
        """Encode, and say what a loss may look at."""
        model, V = self.model, self.V
        with ExitStack() as hooks:
            for augmenter in _of(chain, "states"):
                change = self._change(augmenter, generator)
                hooks.enter_context(changed(model.network, augmenter.at_layer, change))
            read = hooks.enter_context(seen(model.network, looks, self.padded.attention_BT))
            out = model(self.padded)
        features, logits = out.features[:V], out.logits[:V]
        if at_features := list(_of(chain, "features")):
            points = self._points(out.features)
            for augmenter in at_features:
                points = augmenter.features(points, generator=generator)
            features, self.target = points.values, points.target_BC
            logits = model.classify(features)
        return LossInput(
            logits=logits,
            target=self.target,
            features=features,
            language=self.language,
            embedding=None if read.embedding is None else read.embedding[:V],
            attention={layer: value[:V] for layer, value in read.attention.items()},
        )

    def _change(self, augmenter: Augmenter, generator: torch.Generator) -> Change:
        def change(states_BTD: Tensor) -> tuple[Tensor, Tensor]:
            points = augmenter.states(self._points(states_BTD), generator=generator)
            if points.attention_BT is None or points.special_BT is None:
                raise ValueError(f"{augmenter.name}: states come back without their attention")
            self.target = points.target_BC
            self.attention = torch.cat([points.attention_BT, self.attention[self.V :]])
            self.special = torch.cat([points.special_BT, self.special[self.V :]])
            mixed = points.values.to(states_BTD.dtype)
            return torch.cat([mixed, states_BTD[self.V :]]), self.attention

        return change

    def _points(self, values: Tensor) -> Points:
        """Features or states of the batch, with those of its mates beside them."""
        V, states = self.V, values.dim() == 3
        attention = self.attention if states else None
        special = self.special if states else None

        def rows(part: slice, target: Tensor, language: Tensor) -> Points:
            return Points(
                values[part],
                target,
                language,
                None if attention is None else attention[part],
                None if special is None else special[part],
            )

        own = rows(slice(V), self.target, self.language)
        if self.mates is None:
            return own
        target = on(values.device, self.mates.target_BC)
        source = rows(slice(V, None), target, on(values.device, self.mates.language))
        return Points(**(vars(own) | {"source": source}))


def _of(chain: Chain, level: str) -> Iterator[Augmenter]:
    return (augmenter for augmenter in chain if augmenter.level == level)
