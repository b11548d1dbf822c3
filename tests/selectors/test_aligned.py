from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import SourceView
from conlst.selectors import AdaMatch, Aligned, Fixed, PerLanguage, TopKPerClass
from conlst.testing import check, pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()
PARTS = [
    Aligned(selector=Fixed(threshold=0.5)),
    Aligned(selector=TopKPerClass(ratio=0.1, replay="equal")),
    PerLanguage(selector=Aligned(selector=TopKPerClass(count=2))),
]


@pytest.mark.parametrize("part", PARTS, ids=repr)
def test_it_keeps_the_contract(part):
    check(part)


def slow_alignment(pool):
    """q~ by loops over rows and classes, language by language."""
    seen = pool.source.probs_SC.tolist()
    C = len(pool.classes)
    wanted = [sum(row[c] for row in seen) / len(seen) for c in range(C)]
    found = [None] * len(pool)
    for language in set(pool.language.tolist()):
        rows = [n for n in range(len(pool)) if pool.language[n] == language]
        q = {n: pool.probs_NC[n].tolist() for n in rows}
        mean = [sum(q[n][c] for n in rows) / len(rows) for c in range(C)]
        for n in rows:
            r = [q[n][c] * (wanted[c] + 1e-6) / (mean[c] + 1e-6) for c in range(C)]
            found[n] = [value / sum(r) for value in r]
    return found


@pytest.mark.oracle("selectors.aligned")
@pytest.mark.parametrize("C", [2, 5])
def test_it_selects_by_probabilities_that_agree_with_a_slow_loop(C):
    for seed in range(3):
        pool = random_pool(90, C, languages=("sw", "th", "ur"), source=20, seed=seed)
        q = slow_alignment(pool)
        found = Aligned(selector=Fixed(threshold=0.6))(pool, generator=GENERATOR)
        assert found.index.tolist() == [n for n in range(90) if max(q[n]) >= 0.6]
        labels = [max(range(C), key=q[n].__getitem__) for n in found.index.tolist()]
        assert found.target_KC.argmax(1).tolist() == labels


def test_in_one_language_it_is_adamatch_s_alignment():
    pool = random_pool(60, languages=("sw",), source=20, seed=4)
    adamatch = AdaMatch(threshold=0.9)
    inner = Fixed(threshold=float(adamatch.threshold_of(pool)))
    found = Aligned(selector=inner)(pool, generator=GENERATOR)
    expected = adamatch(pool, generator=GENERATOR)
    assert found.index.tolist() == expected.index.tolist()
    assert torch.equal(found.target_KC, expected.target_KC)


def test_a_class_that_is_hardly_named_gives_its_share():
    probs = [[0.90 - n / 100, 0.05 + n / 200, 0.05 + n / 200] for n in range(30)]
    probs += [[0.50, 0.45, 0.05], [0.50, 0.05, 0.45]] * 5
    source = SourceView(torch.eye(3), torch.zeros(3, 1), torch.arange(3))
    pool = pool_of(probs, source=source)
    counts = [
        part(pool, generator=GENERATOR).target_KC.sum(0).tolist()
        for part in (TopKPerClass(count=5), Aligned(selector=TopKPerClass(count=5)))
    ]
    assert counts == [[5, 0, 0], [5, 5, 5]]


def test_frozen_labels_stay_as_they_were_given():
    pool = random_pool(60, source=20, seed=1)
    part = Aligned(selector=TopKPerClass(count=3))
    first = part(pool, generator=GENERATOR)
    turned = replace(pool, probs_NC=pool.probs_NC.roll(1, 1), history=(first,))
    second = part(turned, generator=GENERATOR)
    again = [second.index.tolist().index(row) for row in first.index.tolist()]
    assert torch.equal(second.target_KC[again], first.target_KC)
    assert len(second.index) > len(first.index)


def test_without_source_rows_it_says_what_it_needs():
    pool = random_pool(12)
    with pytest.raises(ValueError, match=r"aligned needs pool\.source"):
        Aligned(selector=Fixed())(pool, generator=GENERATOR)
    with pytest.raises(ValidationError, match="selector"):
        Aligned()
