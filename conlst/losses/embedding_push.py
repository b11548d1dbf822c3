"""Views whose words lie far from the original's: half of EPT-APT."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from conlst.arrays import LossInput
from conlst.losses.base import Loss, losses


@losses.register("embedding_push")
class EmbeddingPush(Loss):
    r"""Push the mean token embedding of the view from that of the unaugmented row.

        L_b = - min( 1/D sum_d (e_bd - e'_bd)^2, cap )

    Symbols: e, `clean_embedding` float[B, D], mean over a row's tokens of what the embedding layer
    gives; e', `embedding` float[B, D], the same of its view; L, float[B], at most 0.

    Paper: Ding et al. 2022, EPT-APT, the embedding push L_EP, with weight alpha = .1 beside
    `attention_pull` and a cross-entropy on the view and on the clean row.

    Departs: nothing by default. As printed it has no lower bound, and embeddings may grow for ever;
    `cap` is ours: a row that far from its view is left alone.

    Raises:
        pydantic.ValidationError: cap is not positive.
        ValueError: the input lacks the two embeddings.

    Examples:
        >>> import torch
        >>> clean, view = torch.zeros(2, 2), torch.tensor([[0.2, 0.0], [3.0, 4.0]])
        >>> x = LossInput(torch.zeros(2, 3), embedding=view, clean_embedding=clean)
        >>> EmbeddingPush()(x), EmbeddingPush(cap=1.0)(x)
        (tensor([ -0.0200, -12.5000]), tensor([-0.0200, -1.0000]))
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})
    cap: float | None = Field(
        None, gt=0, description="distance from which a row is pushed no further; null: never"
    )

    def __call__(self, x: LossInput) -> Tensor:
        if x.embedding is None or x.clean_embedding is None:
            raise ValueError("embedding_push needs embedding and clean_embedding, float[B, D]")
        apart_B = (x.clean_embedding - x.embedding).square().mean(1)
        return -apart_B if self.cap is None else -apart_B.clamp(max=self.cap)
