import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import SourceView
from conlst.selectors import PerLanguage
from conlst.selectors.cut_edge import CutEdge
from conlst.testing import check, pool_of, random_pool

GENERATOR = torch.Generator()


def slow_kept(cut_edge, pool):
    """The rows that the formula keeps, one at a time."""
    vectors = [row / row.norm() for row in pool.features_ND.double()]
    labels = [row.index(max(row)) for row in pool.probs_NC.tolist()]
    N = len(vectors)
    if cut_edge.source:
        vectors += [row / row.norm() for row in pool.source.features_SD.double()]
        labels += pool.source.label.tolist()
    kept = []
    for n in range(N):
        cosines = [(float(vectors[n] @ vectors[j]), j) for j in range(len(vectors)) if j != n]
        nearest = sorted(cosines, reverse=True)[: cut_edge.k]
        edges = []
        for cos, j in nearest:
            inverse = 1 / (1 + math.sqrt(max(2 - 2 * cos, 0)))
            w = inverse if cut_edge.weight == "inverse_distance" else max(cos, 0.0)
            edges.append((w, labels[j] != labels[n]))
        pi = labels.count(labels[n]) / len(labels)
        J = sum(w for w, is_cut in edges if is_cut)
        mu = sum((1 - pi) * w for w, _ in edges)
        sigma = sum(pi * (1 - pi) * w**2 for w, _ in edges) ** 0.5
        z = (J - mu) / sigma if sigma > 0 else 0.0
        if 0.5 - math.erf(z / math.sqrt(2)) / 2 >= cut_edge.threshold:
            kept.append(n)
    return kept, labels


@pytest.mark.oracle("selectors.cut_edge")
@pytest.mark.parametrize(
    "cut_edge",
    [
        CutEdge(),
        CutEdge(source=False),
        CutEdge(k=3, threshold=0.4, weight="cosine"),
        CutEdge(k=1, threshold=0.6, source=False),
        CutEdge(k=500, threshold=0.5, weight="cosine", source=False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_a_slow_loop(cut_edge, seed):
    pool = random_pool(60, seed=seed, source=20)
    selection = cut_edge(pool, generator=GENERATOR)
    kept, labels = slow_kept(cut_edge, pool)
    assert selection.index.tolist() == kept
    assert selection.target_KC.argmax(1).tolist() == [labels[n] for n in kept]
    assert selection.weight.tolist() == [1.0] * len(kept)


@pytest.mark.parametrize(
    "cut_edge", [CutEdge(), CutEdge(source=False, threshold=0.5), CutEdge(weight="cosine", k=2)]
)
def test_it_keeps_the_contract(cut_edge):
    check(cut_edge)


def clusters(labels, D=2):
    """Rows of two tight clusters, 20 each, with these pseudo-labels."""
    angle = torch.arange(20) * math.pi / 720
    near = torch.stack([angle.cos(), angle.sin()], 1)
    return pool_of(torch.eye(2)[labels] * 0.8 + 0.1, features_ND=torch.cat([near, near.flip(1)]))


def test_a_stranger_in_a_cluster_is_dropped_however_sure_the_model_is():
    labels = [0] * 20 + [1] * 20
    labels[10], labels[33] = 1, 0
    pool = clusters(labels)
    sure = pool.probs_NC.clone()
    sure[10] = torch.tensor([0.0, 1.0])
    kept = CutEdge(source=False)(replace(pool, probs_NC=sure), generator=GENERATOR).index.tolist()
    assert kept == [n for n in range(40) if n not in (10, 33)]


def test_source_rows_can_overrule_a_cluster_that_is_wrong_throughout():
    pool = clusters([0] * 20 + [0] * 20)
    beside = SourceView(torch.eye(2)[[0, 1] * 10], pool.features_ND[::2], torch.arange(20) // 10)
    kept = CutEdge(k=20)(replace(pool, source=beside), generator=GENERATOR).index.tolist()
    assert kept == list(range(20))


def test_a_pool_of_one_label_is_undecided():
    pool = clusters([0] * 40)
    assert len(CutEdge(source=False, threshold=0.5)(pool, generator=GENERATOR).index) == 40
    assert len(CutEdge(source=False, threshold=0.51)(pool, generator=GENERATOR).index) == 0


def test_a_class_that_takes_nearly_all_needs_more_neighbours():
    x = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) + 4
    pool = pool_of(torch.eye(2)[[0] * 197 + [1] * 3], features_ND=x)
    few, many = CutEdge(k=10, source=False), CutEdge(k=100, source=False)
    assert few.clean_confidence(pool)[:197].max() < 0.75
    assert few.clean_confidence(pool)[:197].max() <= 0.5 + math.erf(math.sqrt(10 * 3 / 197 / 2)) / 2
    assert many.clean_confidence(pool)[:197].max() > 0.75


def test_it_says_what_it_needs():
    assert CutEdge().needs == {"pool", "source", "neighbours"}
    assert CutEdge(source=False).needs == {"pool", "neighbours"}
    assert PerLanguage(selector=CutEdge()).all_needs() == {"pool", "source", "neighbours"}


def test_source_rows_that_are_not_there_are_asked_for():
    with pytest.raises(ValueError, match="source: false"):
        CutEdge()(random_pool(), generator=GENERATOR)


@pytest.mark.parametrize(
    "fields", [{"k": 0}, {"threshold": 1.1}, {"threshold": -0.1}, {"weight": "dot"}]
)
def test_parameters_outside_their_bounds_are_refused(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        CutEdge.model_validate(fields)
