import warnings

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Sizes, SourceView
from conlst.errors import ConlstWarning
from conlst.selectors.adamatch import AdaMatch
from conlst.testing import check, pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()


@pytest.mark.parametrize(
    "adamatch", [AdaMatch(), AdaMatch(align="none"), AdaMatch(threshold=0.5, momentum=0)], ids=repr
)
def test_it_keeps_its_contract(adamatch):
    check(adamatch)


def mean_of(rows):
    return [sum(q[c] for q in rows) / len(rows) for c in range(len(rows[0]))]


def slow(pool, tau, wanted, seen):
    """Kept rows and their labels, where source and target predictions have these means."""
    source = pool.source.probs_SC.tolist()
    asked = tau * sum(max(s) for s in source) / len(source)
    kept, labels = [], []
    for n, q in enumerate(pool.probs_NC.tolist()):
        if wanted is not None:
            r = [x * (w + 1e-6) / (p + 1e-6) for x, w, p in zip(q, wanted, seen, strict=True)]
            q = [x / sum(r) for x in r]
        if max(q) >= asked:
            kept.append(n)
            labels.append(q.index(max(q)))
    return kept, labels


def found(selection):
    assert selection.weight.tolist() == [1.0] * len(selection.index)
    assert set(selection.target_KC.flatten().tolist()) <= {0.0, 1.0}
    return selection.index.tolist(), selection.target_KC.argmax(1).tolist()


@pytest.mark.oracle("selectors.adamatch")
@pytest.mark.parametrize("tau", [0.6, 0.95])
@pytest.mark.parametrize("align", ["source", "none"])
@pytest.mark.parametrize("C", [2, 3, 5])
@pytest.mark.parametrize("seed", range(2))
def test_it_agrees_with_a_slow_loop(tau, align, C, seed):
    pool = random_pool(80, C, seed=seed, source=15)
    means = mean_of(pool.source.probs_SC.tolist()), mean_of(pool.probs_NC.tolist())
    expected = slow(pool, tau, *(means if align == "source" else (None, None)))
    assert found(AdaMatch(threshold=tau, align=align)(pool, generator=GENERATOR)) == expected
    assert 0 < len(expected[0]) < 80 or tau == 0.6


def steps(N, B, epochs, C=3):
    """Batches of a pool whose predictions, and source batch, change at every step."""
    generator, seed = torch.Generator().manual_seed(5), 0
    for _ in range(epochs):
        for chunk in torch.randperm(N, generator=generator).split(B):
            seed += 1
            yield random_pool(N, C, seed=seed, source=6).take(chunk)


@pytest.mark.oracle("selectors.adamatch")
@pytest.mark.parametrize("momentum", [0.0, 0.8, 0.999])
@pytest.mark.parametrize("align", ["source", "none"])
@pytest.mark.parametrize("C", [2, 4])
def test_online_it_agrees_with_a_slow_loop(momentum, align, C):
    adamatch = AdaMatch(threshold=0.9, align=align, momentum=momentum)
    online = adamatch.build(Sizes(C, 8, ("sw", "th"), 30))
    wanted, seen = [1 / C] * C, [1 / C] * C

    def mixed(old, rows):
        return [momentum * a + (1 - momentum) * b for a, b in zip(old, mean_of(rows), strict=True)]

    for batch in steps(30, 7, 3, C):
        wanted = mixed(wanted, batch.source.probs_SC.tolist())
        seen = mixed(seen, batch.probs_NC.tolist())
        expected = slow(batch, 0.9, *((wanted, seen) if align == "source" else (None, None)))
        assert found(online(batch, generator=GENERATOR)) == expected
        assert online.source_C.mean.tolist() == pytest.approx(wanted, rel=1e-5)
        assert online.target_C.mean.tolist() == pytest.approx(seen, rel=1e-5)


def with_source(probs, source, **others):
    seen = torch.tensor(source)
    label = torch.zeros(len(seen), dtype=torch.int64)
    return pool_of(probs, source=SourceView(seen, torch.zeros(len(seen), 1), label), **others)


def test_alignment_gives_a_neglected_class_its_rows_back():
    balanced = [[0.7, 0.3], [0.3, 0.7]]
    pool = with_source([[0.95, 0.05]] * 3 + [[0.55, 0.45]], balanced)
    chosen = AdaMatch()(pool, generator=GENERATOR)
    assert found(chosen) == ([0, 1, 2, 3], [0, 0, 0, 1])
    plain = AdaMatch(align="none")(pool, generator=GENERATOR)
    assert found(plain) == ([0, 1, 2], [0, 0, 0])


def test_alignment_brings_the_mean_nearer_to_that_of_the_source():
    pool = random_pool(200, source=50)
    wanted_C, seen_C = pool.source.probs_SC.mean(0), pool.probs_NC.mean(0)
    after_C = AdaMatch().aligned(pool, wanted_C, seen_C).probs_NC.mean(0)
    assert (after_C - wanted_C).abs().sum() < 0.5 * (seen_C - wanted_C).abs().sum()


def test_a_source_of_the_same_mean_changes_nothing():
    probs = [[0.8, 0.2], [0.4, 0.6]]
    aligned = found(AdaMatch()(with_source(probs, probs), generator=GENERATOR))
    assert aligned == found(AdaMatch(align="none")(with_source(probs, probs), generator=GENERATOR))


def test_a_model_less_sure_of_the_source_asks_less_of_the_target():
    probs = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]]
    kept = [
        AdaMatch(align="none")(with_source(probs, [[p, 1 - p]]), generator=GENERATOR).index.tolist()
        for p in (1.0, 0.9, 0.7, 0.6)
    ]
    assert kept == [[], [0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize("probs", [[[1.0, 0.0]] * 4, [[1.0, 0.0], [0.0, 1.0]]])
@pytest.mark.parametrize("source", [[[1.0, 0.0]], [[0.0, 1.0]]])
def test_classes_that_nobody_predicts_divide_nothing_by_zero(probs, source):
    pool = with_source(probs, source)
    chosen = AdaMatch()(pool, generator=GENERATOR)
    assert len(chosen.index) == len(pool)
    assert torch.equal(chosen.target_KC, pool.probs_NC)


def test_an_empty_pool_selects_none():
    empty = random_pool(6, source=4).take(torch.tensor([], dtype=torch.int64))
    assert len(AdaMatch()(empty, generator=GENERATOR).index) == 0


def test_without_source_rows_it_says_what_is_missing():
    for call in (AdaMatch(), AdaMatch().build(Sizes(3, 8, ("sw", "th"), 6))):
        with pytest.raises(ValueError, match=r"needs pool\.source"):
            call(random_pool(6), generator=GENERATOR)


def test_a_threshold_that_is_none_is_warned_of():
    pool = with_source([[0.9, 0.1], [0.45, 0.55]], [[0.5, 0.5]])
    with pytest.warns(ConlstWarning, match=r"adamatch \(sw\).* a, b are at most 1/C = 0\.500"):
        AdaMatch()(pool, generator=GENERATOR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AdaMatch()(with_source([[0.9, 0.1]], [[0.8, 0.2]]), generator=GENERATOR)


def test_online_the_warning_comes_once_and_after_the_first_pass():
    pool, when = with_source([[0.9, 0.1]] * 6, [[0.5, 0.5]]), []
    online = AdaMatch().build(Sizes(2, 8, pool.languages, 6))
    for step in range(9):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            online(pool.take(torch.arange(2) + step % 3 * 2), generator=GENERATOR)
        when += [step] * len(caught)
    assert when == [2]


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"momentum": 1}, {"align": "uniform"}])
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AdaMatch.model_validate(wrong)
