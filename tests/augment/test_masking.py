from itertools import product

import pytest
import torch

from conlst.arrays import TokenBatch
from conlst.augment import Masking
from conlst.testing import check, random_tokens
from tests.augment.frequencies import assert_frequencies


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def slow_outcomes(ids, special, mask_id, rate):
    """Every row that may come out, with its probability, one token after the other."""
    outcomes = {}
    for masked in product([True, False], repeat=len(ids)):
        p, row = 1.0, []
        for token, hands_off, is_masked in zip(ids, special, masked, strict=True):
            p *= (0.0 if hands_off else rate) if is_masked else (1.0 if hands_off else 1 - rate)
            row.append(mask_id if is_masked else token)
        if p:
            outcomes[tuple(row)] = p
    return outcomes


@pytest.mark.oracle("augmenters.masking")
@pytest.mark.parametrize("rate", [0.15, 0.5, 1.0])
@pytest.mark.parametrize("special", [(1, 0, 0, 0, 1, 1), (1, 1, 0, 1, 0, 1), (1, 1, 1, 1, 1, 1)])
def test_every_row_is_as_likely_as_its_tokens_make_it(rate, special):
    ids = [0, 11, 12, 2, 13, 1]
    ids_BT = torch.tensor([ids] * 4000)
    special_BT = torch.tensor([special] * 4000).bool()
    batch = TokenBatch(ids_BT, torch.ones_like(ids_BT), None, special_BT, 4)
    made = Masking(rate=rate).tokens(batch, generator=seeded(5)).ids_BT
    assert_frequencies(map(tuple, made.tolist()), slow_outcomes(ids, special, 4, rate))


@pytest.mark.parametrize("rate", [0.15, 0.5, 1.0])
def test_it_keeps_the_contract(rate):
    check(Masking(rate=rate))


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
