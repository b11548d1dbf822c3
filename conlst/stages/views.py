"""Strong views of a batch, and what a loss wants to compare them with."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad as padded_with

from conlst.arrays import LossInput
from conlst.augment import Augmenter
from conlst.inside import Looks, seen
from conlst.losses import Loss
from conlst.losses.base import COMPARED
from conlst.model import Classifier
from conlst.stages.branch import Batch, branch
from conlst.tokens import pad
from conlst.transfer import on


def strong_views(
    augment: Augmenter | None,
    model: Classifier,
    batch: Batch,
    loss: Loss,
    *,
    generator: torch.Generator,
    partners: Batch | None = None,
) -> tuple[Tensor, LossInput]:
    """Every view that the augmenter makes of a batch; without one, the texts as they are.

    Args:
        augment: makes the views.
        model: sees them.
        batch: B rows with their targets.
        loss: whatever it needs to be given is computed beside.
        generator: all chance.
        partners: labelled source rows, for augmenters that mix with them.

    Returns:
        The row of the batch that each of V views was made from, int64[V], and the views.
    """
    everyone, looks = torch.arange(len(batch)), looks_of(loss)
    branches = augment.branches(len(batch), generator=generator) if augment else [(everyone, ())]
    origins, views = [], []
    for rows, chain in branches:
        made_from, view = branch(
            chain, batch.part(rows), model, looks, generator=generator, partners=partners
        )
        origins.append(rows[made_from])
        views.append(view)
    origin, x = torch.cat(origins), _joined(views)
    if COMPARED & loss.all_needs():
        x = _beside(x, origin, model, batch, looks)
    return origin, x


def looks_of(loss: Loss) -> Looks:
    """What a loss wants to be read off inside the encoder."""
    parts = list(loss.walk())
    layers = {int(getattr(part, "layer", 0)) for part in parts if "attentions" in part.needs}
    return Looks(any("embeddings" in part.needs for part in parts), tuple(sorted(layers)))


def _beside(
    x: LossInput, origin: Tensor, model: Classifier, batch: Batch, looks: Looks
) -> LossInput:
    """Add what the rows give without augmentation, in the order of their views."""
    padded = pad(batch.tokens, batch.rows, model.tokenizer)
    with seen(model.network, looks, padded.attention_BT) as read:
        clean = model(padded)
    at = on(clean.logits.device, origin)
    attention, clean_attention = {}, {}
    for layer, value in x.attention.items():
        both = _same_length([value, read.attention[layer][at]])
        attention[layer], clean_attention[layer] = both
    return replace(
        x,
        clean_logits=clean.logits[at],
        clean_embedding=None if read.embedding is None else read.embedding[at],
        attention=attention,
        clean_attention=clean_attention,
    )


def _joined(views: list[LossInput]) -> LossInput:
    """The views of all branches, one branch after another."""
    if len(views) == 1:
        return views[0]

    def cat(name: str) -> Tensor | None:
        values = [getattr(view, name) for view in views]
        return None if values[0] is None else torch.cat(values)

    return LossInput(
        logits=torch.cat([view.logits for view in views]),
        target=cat("target"),
        features=cat("features"),
        language=cat("language"),
        embedding=cat("embedding"),
        attention={
            layer: torch.cat(_same_length([view.attention[layer] for view in views]))
            for layer in views[0].attention
        },
    )


def _same_length(values: list[Tensor]) -> list[Tensor]:
    """Attention of batches of different lengths, all as long as the longest: 0 at padding."""
    T = max(value.shape[-1] for value in values)
    return [padded_with(v, (0, T - v.shape[-1], 0, T - v.shape[-1])) for v in values]
