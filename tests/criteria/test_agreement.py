import math

import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import cohen_kappa_score

from conlst.criteria import Agreement
from conlst.testing import check, pool_of, random_pool

NAN = math.nan


def value(now, before):
    return Agreement()(now, before=before, source_accuracy=0.5)


def slow(now, before):
    """Kappa from the table of pairs."""
    N, C = len(now), max(*now, *before) + 1
    observed = sum(a == b for a, b in zip(now, before, strict=True)) / N
    chance = sum(now.count(c) / N * before.count(c) / N for c in range(C))
    return (observed - chance) / (1 - chance)


def labelled(labels, C=3):
    return pool_of(torch.eye(C)[labels] * 0.8 + 0.2 / C)


@pytest.mark.oracle("criteria.agreement")
@pytest.mark.parametrize("C", [2, 3, 7])
@pytest.mark.parametrize("changed", [0, 1, 10, 60])
def test_it_agrees_with_a_slow_loop_and_with_sklearn(C, changed):
    generator = torch.Generator().manual_seed(C)
    before = torch.randint(C, (60,), generator=generator)
    now = before.clone()
    now[:changed] = torch.randint(C, (changed,), generator=generator)
    kappa = value(labelled(now, C), labelled(before, C))
    assert kappa == pytest.approx(slow(now.tolist(), before.tolist()), abs=1e-9)
    assert kappa == pytest.approx(cohen_kappa_score(before, now), abs=1e-9)


@pytest.mark.parametrize("criterion", [Agreement(), Agreement(enough=0.5)], ids=repr)
def test_it_keeps_the_contract(criterion):
    check(criterion)


def test_no_change_is_one_and_chance_is_zero():
    pool = random_pool(30)
    assert value(pool, pool) == pytest.approx(1)
    assert value(labelled([0, 0, 1, 1]), labelled([0, 1, 0, 1])) == pytest.approx(0)
    assert value(labelled([0, 1], 2), labelled([1, 0], 2)) == pytest.approx(-1)


def test_one_class_at_both_checkpoints_is_no_change():
    assert value(labelled([1] * 5), labelled([1] * 5)) == 1
    assert value(labelled([1] * 5), labelled([2] * 5)) == 0


def test_the_first_checkpoint_has_nothing_to_be_compared_with():
    assert math.isnan(value(random_pool(), None))
    empty = pool_of(torch.zeros(0, 3))
    assert math.isnan(value(empty, empty))


def test_other_rows_are_refused():
    with pytest.raises(ValueError, match="4, 6"):
        value(random_pool(6), random_pool(4))


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([NAN], "go on"),
        ([NAN, 0.9], "go on"),
        ([NAN, 0.9, 0.8], "go on"),  # less stable is not worse
        ([NAN, 0.9, 0.98], "keep"),
        ([NAN, 1.0], "keep"),
        ([1.0], "go on"),  # nothing was trained yet
        ([NAN, NAN], "go on"),
    ],
)
def test_it_stops_where_labels_are_stable(values, verdict):
    assert Agreement().verdict(values) == verdict


@pytest.mark.parametrize("enough", [0, 1.1])
def test_enough_outside_its_bounds_is_refused(enough):
    with pytest.raises(ValidationError, match="enough"):
        Agreement.model_validate({"enough": enough})
