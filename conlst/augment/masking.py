"""Strong view by random masking: some tokens become the mask token."""

from dataclasses import replace
from typing import ClassVar

import torch
from pydantic import Field

from conlst.arrays import TokenBatch
from conlst.augment.base import Augmenter, Level, augmenters


@augmenters.register("masking")
class Masking(Augmenter):
    r"""Replace each ordinary token by the mask token with probability `rate`.

        ids'_bt = mask_id    if u_bt < rate and not special_bt,    u_bt ~ U[0, 1)
                = ids_bt     otherwise

    Symbols: ids_bt, int64[B, T], token ids; special_bt, bool[B, T], class token, separators and
    padding; u_bt, float[B, T], independent draws.

    Paper: Devlin et al. 2019, BERT, for the rate; Li et al. 2024, CoNLST, for random masking as
    one of three strong augmentations (the paper gives no rate).

    Departs: BERT turns a tenth of the chosen tokens into random ones and leaves a tenth as they
    are, because its fine-tuned model never sees a mask; a strong view is meant to be hard, so all
    become the mask token here.

    Raises:
        ValueError: the tokenizer has no mask token.

    Examples:
        >>> import torch
        >>> from conlst.testing import random_tokens
        >>> batch = random_tokens(1, 8, mask_id=4)
        >>> batch.ids_BT.tolist(), batch.special_BT.int().tolist()
        ([[0, 19, 13, 10, 13, 19, 17, 2]], [[1, 0, 0, 0, 0, 0, 0, 1]])
        >>> Masking(rate=0.5).tokens(batch, generator=torch.Generator().manual_seed(1)).ids_BT
        tensor([[ 0,  4,  4, 10,  4, 19,  4,  2]])
    """

    level: ClassVar[Level] = "tokens"
    rate: float = Field(0.15, gt=0, le=1, description="probability that a token is masked")

    def tokens(self, batch: TokenBatch, *, generator: torch.Generator) -> TokenBatch:
        """The batch with some ordinary tokens masked; the batch handed in stays as it is."""
        if batch.mask_id is None:
            raise ValueError(
                "masking: the tokenizer has no mask token; use another augmenter with this model"
            )
        u_BT = torch.rand(batch.ids_BT.shape, generator=generator).to(batch.ids_BT.device)
        masked_BT = (u_BT < self.rate) & ~batch.special_BT
        return replace(batch, ids_BT=batch.ids_BT.masked_fill(masked_BT, batch.mask_id))
