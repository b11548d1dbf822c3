import math

import pytest
import torch

from conlst.cut_edges import cut_edges

SETTINGS = [(1, "inverse_distance"), (5, "inverse_distance"), (5, "cosine"), (100, "cosine")]


def normal(z):
    """Phi, from the error function."""
    return (1 + math.erf(z / math.sqrt(2))) / 2


def cosine(x, y):
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    return dot / math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))


def slow(features, labels, k, weight, others=(), other_labels=()):
    """J, mu, sigma and r of the formula, one row at a time."""
    graph, names = [*features, *others], [*labels, *other_labels]
    out = []
    for i, (x, y) in enumerate(zip(features, labels, strict=True)):
        near = sorted((-cosine(x, graph[j]), j) for j in range(len(graph)) if j != i)[:k]
        J = total = squares = 0.0
        for minus_cos, j in near:
            distance = math.sqrt(max(2 + 2 * minus_cos, 0))
            w = max(-minus_cos, 0) if weight == "cosine" else 1 / (1 + distance)
            J += w * (names[j] != y)
            total += w
            squares += w * w
        pi = names.count(y) / len(names)
        mu, sigma = (1 - pi) * total, math.sqrt(pi * (1 - pi) * squares)
        r = 1 - normal((J - mu) / sigma) if sigma else 0.5
        out.append((J, mu, sigma, r))
    return out


def rows(N, seed, C=3, D=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, D, generator=generator)
    return x, torch.randint(C, (N,), generator=generator)


def held_against(found, expected):
    for n, name in enumerate(["cut_N", "mean_N", "deviation_N", "clean_N"]):
        values = getattr(found, name).tolist()
        assert values == pytest.approx([row[n] for row in expected], abs=1e-5), name


@pytest.mark.parametrize(("k", "weight"), SETTINGS)
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_a_slow_loop(k, weight, seed):
    x, y = rows(30, seed)
    expected = slow(x.tolist(), y.tolist(), k, weight)
    held_against(cut_edges(x, y, k, weight=weight), expected)


@pytest.mark.parametrize(("k", "weight"), SETTINGS)
def test_and_with_labelled_rows_beside(k, weight):
    (x, y), (s, t) = rows(20, 3), rows(25, 4)
    expected = slow(x.tolist(), y.tolist(), k, weight, s.tolist(), t.tolist())
    held_against(cut_edges(x, y, k, weight=weight, beside=(s, t)), expected)


def on_a_line(*labels):
    """Rows side by side, a quarter of a degree apart: each is nearest to its neighbours."""
    angle = torch.arange(len(labels)) * math.pi / 720
    return torch.stack([angle.cos(), angle.sin()], 1), torch.tensor(labels)


def test_the_deviation_is_the_root_of_the_variance():
    """Not the variance, as in NoiseFiltersR."""
    x, y = on_a_line(0, 0, 1, 1)
    w = [1 / (1 + 2 * math.sin(step * math.pi / 1440)) for step in (1, 2)]
    found = cut_edges(x, y, k=2)
    variance = 0.5 * 0.5 * (w[0] ** 2 + w[1] ** 2)
    assert found.deviation_N[0].item() == pytest.approx(math.sqrt(variance), abs=1e-3)
    assert abs(found.deviation_N[0].item() - variance) > 0.1


def test_the_confidence_is_measured_in_deviations():
    """Not in means or in variances, as NoiseFiltersR hands one over and computes the other."""
    x, y = on_a_line(0, 0, 0, 1, 1, 1, 1)
    found = cut_edges(x, y, k=3)
    J, mu, sigma = (getattr(found, name)[0].item() for name in ("cut_N", "mean_N", "deviation_N"))
    r = found.clean_N[0].item()
    assert r == pytest.approx(1 - normal((J - mu) / sigma), abs=1e-9)
    assert r == pytest.approx(1 - normal((1 - 3 * 4 / 7) / math.sqrt(3 * 12 / 49)), abs=1e-2)
    for wrong in (mu, sigma**2):
        assert abs(r - (1 - normal((J - mu) / wrong))) > 0.03


def test_a_row_among_its_like_is_clean_and_a_stranger_is_not():
    x, y = on_a_line(*[0] * 10, 1, *[0] * 10, *[1] * 20)
    r = cut_edges(x, y, k=6).clean_N
    assert r[10] < 0.01
    assert (r[[0, 5, 15, 30, 40]] > 0.9).all()


def test_a_graph_of_one_label_says_nothing():
    x, _ = rows(8, 0)
    found = cut_edges(x, torch.full((8,), 2), k=3)
    assert found.cut_N.tolist() == found.mean_N.tolist() == [0.0] * 8
    assert found.clean_N.tolist() == [0.5] * 8


def test_a_row_without_neighbours_says_nothing():
    assert cut_edges(torch.ones(1, 3), torch.tensor([1]), k=5).clean_N.tolist() == [0.5]
    assert cut_edges(torch.zeros(0, 3), torch.zeros(0).long(), k=5).clean_N.tolist() == []


def test_cosines_below_zero_count_nothing():
    x, y = torch.tensor([[1.0, 0.0], [-1.0, 0.1], [-1.0, -0.1]]), torch.tensor([0, 1, 1])
    found = cut_edges(x, y, k=2, weight="cosine")
    assert found.cut_N[0] == 0
    assert found.clean_N[0] == 0.5


def test_among_equal_rows_a_row_is_no_neighbour_of_itself():
    x, y = torch.ones(6, 3), torch.tensor([0, 1, 1, 1, 1, 1])
    found = cut_edges(x, y, k=5)
    assert found.cut_N[0].item() == pytest.approx(5, abs=0.01)
    assert found.cut_N[5].item() == pytest.approx(1, abs=0.01)


def test_a_row_that_is_not_found_among_its_equals_has_k_neighbours_all_the_same():
    x, y = torch.ones(6, 3), torch.tensor([0, 1, 1, 1, 1, 1])
    found = cut_edges(x, y, k=2)
    assert found.mean_N[5].item() == pytest.approx(2 * (1 - 5 / 6), abs=0.01)


def test_labelled_rows_beside_are_seen_but_not_judged():
    x, y = on_a_line(0, 0, 1, 1, 1)
    alone = cut_edges(x, y, k=2)
    helped = cut_edges(x, y, k=2, beside=(x[2:] * 3, torch.zeros(3).long()))
    assert len(helped.clean_N) == 5
    assert helped.clean_N[4] < 0.5 < alone.clean_N[4]
    assert helped.mean_N[0].item() == pytest.approx(2 * 3 / 8, abs=0.01)


def test_half_precision_is_enough():
    x, y = rows(30, 1)
    half = cut_edges(x.half(), y, k=5).clean_N
    assert half.dtype == torch.float64
    assert half.tolist() == pytest.approx(cut_edges(x, y, k=5).clean_N.tolist(), abs=0.02)
