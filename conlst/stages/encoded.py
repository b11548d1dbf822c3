"""What a step encodes: source rows; anchors in two views; negatives, each row once."""

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from conlst.arrays import LossInput, Pool
from conlst.errors import ConlstWarning
from conlst.model import Classifier
from conlst.negatives.base import Drawer, Memory
from conlst.recipe import ContrastiveStage
from conlst.stages.chunked import in_chunks
from conlst.stages.material import Source, Target
from conlst.transfer import on


@dataclass(eq=False)
class Negatives:
    """The sampler at work on a pool, and a count of what it found."""

    drawer: Drawer
    pool: Pool
    counts: dict[str, int] = field(
        default_factory=lambda: {"asked": 0, "fewer_than_K": 0, "none": 0, "K": 0}
    )

    @classmethod
    def of(cls, stage: ContrastiveStage, model: Classifier, pool: Pool) -> "Negatives | None":
        """Build the sampler's indexes; a memory begins with the snapshot of the whole pool."""
        if stage.negatives is None:
            return None
        drawer = stage.negatives.build(pool)
        if isinstance(drawer, Memory):
            with torch.no_grad():
                outputs = model.project(pool.features_ND.to(model.device))
            drawer.remember(torch.arange(len(pool)), outputs)
        return cls(drawer, pool)

    def draw(
        self, anchors_B: Tensor, complement_BC: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """Rows of the pool for each anchor, int64[B, n * K] for n complementary labels at most."""
        which, label = complement_BC.nonzero(as_tuple=True)  # (anchor, one of its labels)
        drawn = self.drawer.draw(self.pool, anchors_B[which], label, generator=generator)
        place = torch.arange(len(which)) - torch.searchsorted(
            which, which
        )  # 0, 1, ... of each anchor
        B, n, K = len(anchors_B), int(complement_BC.sum(1).max()), drawn.shape[1]
        rows_BnK = torch.full((B, n, K), -1).index_put_((which, place), drawn)
        found = (drawn >= 0).sum(1)
        self.counts["asked"] += len(found)
        self.counts["fewer_than_K"] += int((found < K).sum())
        self.counts["none"] += int((found == 0).sum())
        self.counts["K"] = K
        return rows_BnK.flatten(1)

    def state_dict(self) -> dict[str, Any]:
        remembered = self.drawer.state_dict() if isinstance(self.drawer, Memory) else {}
        return {"counts": dict(self.counts), **remembered}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.counts.update(state["counts"])
        if isinstance(self.drawer, Memory):
            self.drawer.load_state_dict(state)

    def census(self) -> dict[str, int]:
        """Draws asked for, and how many found fewer than K rows, or none."""
        if self.counts["none"] == self.counts["asked"]:
            warnings.warn(
                "no anchor found any negative, so the contrastive loss was 0 throughout",
                ConlstWarning,
                stacklevel=2,
            )
        return dict(self.counts)


def labelled(model: Classifier, source: Source, rows: Tensor) -> LossInput:
    """Source rows with their labels."""
    out, device = model.encode(source.tokens, rows), model.device
    return LossInput(
        logits=out.logits,
        target=on(device, source.one_hot(rows)),
        features=out.features,
        language=on(device, source.language[rows]),
    )


def views(
    stage: ContrastiveStage,
    model: Classifier,
    target: Target,
    pool: Pool,
    rows: Tensor,
    complement_BC: Tensor,
) -> LossInput:
    """The anchors; for a loss that compares views, also under another dropout mask."""
    B, device = len(rows), model.device
    two = "views" in stage.loss.all_needs()
    out = model.encode(target.tokens, rows.repeat(2) if two else rows)
    h = model.project(out.features) if two else None
    confident = None if pool.confident is None else on(device, pool.confident[rows])
    return LossInput(
        logits=out.logits[:B],
        target=on(device, one_hot(pool.pseudo_label[rows], len(pool.classes)).float()),
        complement=on(device, complement_BC),
        confident=confident,
        features=out.features[:B],
        anchor=None if h is None else h[:B],
        positive=None if h is None else h[B:],
        language=on(device, target.language[rows]),
    )


def with_negatives(
    x: LossInput,
    model: Classifier,
    target: Target,
    anchors_B: Tensor,
    rows_BK: Tensor,
    negatives: Negatives | None = None,
) -> LossInput:
    """The contrastive outputs of every negative of the batch once, and whose each is.

    They are encoded with gradient, in chunks if they are many; unless they are anchors of the
    batch, which are encoded already, or the sampler remembers them.
    """
    rows_M, place_BK = rows_BK.unique(return_inverse=True)
    mask_BM = torch.zeros(len(rows_BK), len(rows_M), dtype=torch.bool).scatter_(1, place_BK, True)
    real = rows_M >= 0  # -1 stands where there was no negative
    rows_M, mask_BM = rows_M[real], on(x.logits.device, mask_BM[:, real])
    if negatives and isinstance(negatives.drawer, Memory):
        h_MD = on(x.logits.device, negatives.drawer.recall(rows_M))
        if x.anchor is not None:
            negatives.drawer.remember(anchors_B, x.anchor.detach())
    else:
        h_MD = _encoded(x, model, target, anchors_B, rows_M)
    return replace(x, negatives=h_MD, negative_mask=mask_BM)


def _encoded(
    x: LossInput, model: Classifier, target: Target, anchors_B: Tensor, rows_M: Tensor
) -> Tensor:
    """float[M, D]: outputs of the rows, those of the batch's own anchors taken from there."""
    order = anchors_B.argsort()
    found = torch.searchsorted(anchors_B[order], rows_M).clamp(max=len(anchors_B) - 1)
    at_M = order[found]
    mine = (anchors_B[at_M] == rows_M) & (x.anchor is not None)
    new = rows_M[~mine]
    h_MD = model.project(x.logits.new_zeros(0, model.sizes.features))
    if len(new):
        tokens = target.tokens
        h_MD = in_chunks(
            lambda some: model.project(model.encode(tokens, some).features),
            new,
            tokens.lengths[new],
            model.device,
        )
    if x.anchor is None or not bool(mine.any()):
        return h_MD
    both = torch.cat([x.anchor[on(x.anchor.device, at_M[mine])], h_MD])
    back = torch.cat([mine.nonzero().flatten(), (~mine).nonzero().flatten()]).argsort()
    return both[on(both.device, back)]
