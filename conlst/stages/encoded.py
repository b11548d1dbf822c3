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
from conlst.stages.chunked import at_once, in_chunks
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


@dataclass(frozen=True)
class Drawn:
    """The negatives of a batch, each row once, and whose each is."""

    rows_M: Tensor
    """int64[M]: rows of the pool."""
    mask_BM: Tensor
    """bool[B, M]: whether a row is among an anchor's negatives."""
    anchor_M: Tensor
    """int64[M]: which anchor of the batch a row is; -1: none."""

    @classmethod
    def of(cls, anchors_B: Tensor, rows_BK: Tensor) -> "Drawn":
        """What was drawn for each anchor; -1 where there was no negative.

        Examples:
            >>> drawn = Drawn.of(torch.tensor([5, 3]), torch.tensor([[3, 8], [8, -1]]))
            >>> drawn.rows_M.tolist(), drawn.mask_BM.int().tolist(), drawn.anchor_M.tolist()
            ([3, 8], [[1, 1], [0, 1]], [1, -1])
        """
        rows_M, place_BK = rows_BK.unique(return_inverse=True)
        mask_BM = torch.zeros(len(rows_BK), len(rows_M), dtype=torch.bool)
        mask_BM.scatter_(1, place_BK, True)
        real = rows_M >= 0
        rows_M, mask_BM = rows_M[real], mask_BM[:, real]
        order = anchors_B.argsort()
        found = torch.searchsorted(anchors_B[order], rows_M).clamp(max=len(anchors_B) - 1)
        at_M = order[found]
        return cls(rows_M, mask_BM, at_M.where(anchors_B[at_M] == rows_M, -1))


def compared(
    stage: ContrastiveStage,
    model: Classifier,
    target: Target,
    pool: Pool,
    anchors_B: Tensor,
    complement_BC: Tensor,
    rows_BK: Tensor | None = None,
    drawer: Drawer | Memory | None = None,
) -> LossInput:
    """What the loss of a step looks at: anchors and, where some were drawn, their negatives.

    For a loss that compares views, anchors are encoded under a second dropout mask too. Every
    negative of the batch is encoded once, with gradient, in chunks if they are many; unless it is
    an anchor of the batch, which is encoded already, or the sampler remembers it.
    """
    if rows_BK is None:
        return _views(stage, model, target, pool, anchors_B, complement_BC)[0]
    drawn = Drawn.of(anchors_B, rows_BK)
    mask_BM = on(model.device, drawn.mask_BM)
    if isinstance(drawer, Memory):
        x, _ = _views(stage, model, target, pool, anchors_B, complement_BC)
        h_MD = on(model.device, drawer.recall(drawn.rows_M))
        if x.anchor is not None:
            drawer.remember(anchors_B, x.anchor.detach())
        return replace(x, negatives=h_MD, negative_mask=mask_BM)
    known_M = (drawn.anchor_M >= 0) & ("views" in stage.loss.all_needs())
    new, tokens = drawn.rows_M[~known_M], target.tokens
    lengths = tokens.lengths[new]
    beside = new if _beside_anchors(lengths, model.device) else new[:0]
    x, h_MD = _views(stage, model, target, pool, anchors_B, complement_BC, beside)
    if len(beside) < len(new):
        h_MD = in_chunks(
            lambda some: model.project(model.encode(tokens, some).features),
            new,
            lengths,
            model.device,
        )
    if x.anchor is not None and bool(known_M.any()):
        known = on(model.device, drawn.anchor_M[known_M])
        back = torch.cat([known_M.nonzero().flatten(), (~known_M).nonzero().flatten()]).argsort()
        h_MD = torch.cat([x.anchor[known], h_MD])[on(model.device, back)]
    return replace(x, negatives=h_MD, negative_mask=mask_BM)


def _beside_anchors(lengths_M: Tensor, device: torch.device) -> bool:
    """Whether negatives go into the call that encodes the anchors.

    A call more costs a GPU as much as its arithmetic; a CPU does not mind, and chunks hold less.
    """
    return device.type != "cpu" and at_once(lengths_M, device)


def _views(
    stage: ContrastiveStage,
    model: Classifier,
    target: Target,
    pool: Pool,
    rows: Tensor,
    complement_BC: Tensor,
    beside: Tensor | None = None,
) -> tuple[LossInput, Tensor]:
    """The anchors, and the contrastive outputs float[M, D] of rows encoded beside them."""
    B, device = len(rows), model.device
    two = "views" in stage.loss.all_needs()
    asked = rows.repeat(2) if two else rows
    n = len(asked)
    out = model.encode(target.tokens, asked if beside is None else torch.cat([asked, beside]))
    h = model.project(out.features[:n]) if two else None
    confident = None if pool.confident is None else on(device, pool.confident[rows])
    x = LossInput(
        logits=out.logits[:B],
        target=on(device, one_hot(pool.pseudo_label[rows], len(pool.classes)).float()),
        complement=on(device, complement_BC),
        confident=confident,
        features=out.features[:B],
        anchor=None if h is None else h[:B],
        positive=None if h is None else h[B:],
        language=on(device, target.language[rows]),
    )
    return x, model.project(out.features[n:])
