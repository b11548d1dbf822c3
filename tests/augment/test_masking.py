import pytest
import torch

from conlst.augment import Masking
from conlst.testing import random_tokens


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_about_rate_of_the_ordinary_tokens_become_the_mask_and_no_other():
    batch = random_tokens(200, 60)
    ordinary = ~batch.special_BT
    for rate in (0.15, 0.6):
        ids = Masking(rate=rate).tokens(batch, generator=seeded()).ids_BT
        share = (ids[ordinary] == 4).float().mean().item()
        assert share == pytest.approx(rate, abs=0.02)
        untouched = ids != 4
        assert torch.equal(ids[untouched], batch.ids_BT[untouched])
        assert torch.equal(ids[~ordinary], batch.ids_BT[~ordinary])


def test_rate_one_masks_everything_but_special_tokens():
    batch = random_tokens(5, 9)
    ids = Masking(rate=1).tokens(batch, generator=seeded()).ids_BT
    assert torch.equal(ids == 4, ~batch.special_BT)


def test_the_batch_handed_in_stays_as_it_is():
    batch = random_tokens()
    before = batch.ids_BT.clone()
    Masking(rate=1).tokens(batch, generator=seeded())
    assert torch.equal(batch.ids_BT, before)


def test_rows_are_masked_in_different_places():
    ids = Masking(rate=0.5).tokens(random_tokens(2, 40, mask_id=4), generator=seeded()).ids_BT
    assert not torch.equal(ids[0] == 4, ids[1] == 4)


def test_a_tokenizer_without_mask_token_is_refused():
    with pytest.raises(ValueError, match="no mask token"):
        Masking().tokens(random_tokens(mask_id=None), generator=seeded())
