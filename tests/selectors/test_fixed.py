import pytest
import torch
from pydantic import ValidationError

from conlst.selectors import Fixed
from conlst.testing import pool_of, random_pool

GENERATOR = torch.Generator()


@pytest.mark.oracle("selectors.fixed")
@pytest.mark.parametrize("threshold", [0.34, 0.5, 0.9, 1.0])
def test_it_keeps_the_rows_a_plain_loop_keeps(threshold):
    pool = random_pool(60)
    kept = [n for n, q in enumerate(pool.probs_NC.tolist()) if max(q) >= threshold]
    selection = Fixed(threshold=threshold)(pool, generator=GENERATOR)
    assert selection.index.tolist() == kept
    labels = [max(range(3), key=pool.probs_NC[n].tolist().__getitem__) for n in kept]
    assert selection.target_KC.argmax(1).tolist() == labels
    assert selection.weight.tolist() == [1.0] * len(kept)


def test_the_threshold_itself_is_kept():
    selection = Fixed(threshold=0.9)(pool_of([[0.9, 0.1], [0.89, 0.11]]), generator=GENERATOR)
    assert selection.index.tolist() == [0]


@pytest.mark.parametrize("threshold", [0, -1, 1.01, "0.9", float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(ValidationError, match="threshold"):
        Fixed.model_validate({"threshold": threshold})


def test_int_is_accepted_where_json_writes_one():
    assert Fixed.model_validate({"threshold": 1}).threshold == 1.0
