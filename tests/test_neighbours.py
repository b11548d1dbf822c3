import copy
import pickle
import sys
from types import SimpleNamespace

import pytest
import torch

from conlst import neighbours
from conlst.errors import BadInput
from conlst.neighbours import Index


def slow(vectors, query, k):
    """(place, cosine) of the k nearest, one row at a time."""

    def cosine(a, b):
        length = (sum(x * x for x in a) * sum(x * x for x in b)) ** 0.5
        return sum(x * y for x, y in zip(a, b, strict=True)) / length if length else 0.0

    found = [(-cosine(query, vector), place) for place, vector in enumerate(vectors)]
    return [(place, -minus) for minus, place in sorted(found)[:k]]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def clustered(N, D=32, centres=60, seed=0):
    """Rows around centres that are far from one another."""
    centre = 3 * normal(centres, D, seed=seed)
    return centre[torch.arange(N) % centres] + normal(N, D, seed=seed + 1)


@pytest.mark.parametrize("queries", [1, 7, 40])  # faiss has ways of its own for few and for many
@pytest.mark.parametrize("k", [1, 5, 30, 120])
def test_it_agrees_with_a_slow_loop(queries, k):
    vectors = 5 * normal(130, 6, seed=1)
    asked = 0.1 * normal(queries, 6, seed=2)
    place, similarity = Index(vectors).search(asked, k)
    assert place.dtype == torch.int64
    for q, row in enumerate(asked.tolist()):
        expected = slow(vectors.tolist(), row, k)
        assert place[q].tolist() == [at for at, _ in expected]
        assert similarity[q].tolist() == pytest.approx([s for _, s in expected], abs=1e-5)


def test_places_are_filled_up_where_there_are_fewer_rows():
    place, similarity = Index(torch.eye(2)).search(torch.tensor([[1.0, 0.5]]), 4)
    assert place.tolist() == [[0, 1, -1, -1]]
    assert similarity[0, 2:].tolist() == [-torch.inf] * 2


def test_no_rows_and_no_queries_are_no_fault():
    place, similarity = Index(torch.zeros(0, 3)).search(normal(2, 3), 2)
    assert place.tolist() == [[-1, -1]] * 2
    assert similarity.tolist() == [[-torch.inf] * 2] * 2
    assert Index(normal(5, 3)).search(torch.zeros(0, 3), 2)[0].shape == (0, 2)


def test_rows_that_are_alike_come_in_the_order_of_their_places():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(50, 1)
    for queries in (1, 40):
        place, _ = Index(vectors).search(torch.tensor([[1.0, 0.0]]).expand(queries, 2), 50)
        assert place.tolist() == [list(range(0, 100, 2))] * queries


def test_a_vector_of_zeros_is_similar_to_nothing():
    place, similarity = Index(torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])).search(
        torch.tensor([[2.0, 0.0], [0.0, 0.0]]), 3
    )
    assert place.tolist() == [[1, 0, 2], [0, 1, 2]]
    assert similarity.tolist() == [[1, 0, -1], [0, 0, 0]]


def test_half_precision_is_searched_in_full():
    vectors = (300 * normal(50, 8)).half()  # its squares overflow in half precision
    place, similarity = Index(vectors).search(vectors, 1)
    assert place.flatten().tolist() == list(range(50))
    assert torch.allclose(similarity, torch.ones(50, 1), atol=1e-5)


def test_many_rows_are_searched_nearly_exactly():
    vectors = clustered(6000)
    asked = vectors[::40]
    near, similarity = Index(vectors, exact_up_to=1000).search(asked, 16)
    exact, _ = Index(vectors).search(asked, 16)
    hits = (near[:, :, None] == exact[:, None, :]).any(2)
    assert hits.float().mean() >= 0.9
    assert bool((similarity.diff(dim=1) <= 0).all())


def test_what_is_asked_for_all_rows_is_compared_with_all_rows():
    vectors = clustered(1500, 8)
    place, _ = Index(vectors, exact_up_to=100).search(vectors[:3], 1500)
    exact, _ = Index(vectors).search(vectors[:3], 1500)
    assert bool((place.sort(1).values == torch.arange(1500)).all())
    assert (place == exact).float().mean() > 0.99  # but for the last bit of some similarity


def test_an_index_says_whether_it_is_exact():
    index = Index(normal(20, 4), exact_up_to=20)
    assert index.exact
    assert len(index) == 20
    assert not Index(normal(20, 4), exact_up_to=19).exact


@pytest.mark.parametrize("N", [1, 2, 17])
def test_few_rows_may_be_put_into_cells_too(N):
    place, _ = Index(normal(N, 3), exact_up_to=0).search(normal(4, 3, seed=5), N)
    assert bool((place.sort(1).values == torch.arange(N)).all())


def test_cells_are_the_same_every_time():
    vectors = normal(3000, 16)  # no clusters: other cells would give other answers
    first, again = (Index(vectors, exact_up_to=0).search(vectors[:200], 10) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_neither_the_vectors_nor_chance_nor_faiss_are_left_changed():
    import faiss

    vectors, chance = normal(500, 4), torch.get_rng_state()
    before = vectors.clone()
    threads, blas = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    Index(vectors, exact_up_to=0).search(vectors, 3)
    assert torch.equal(vectors, before)
    assert torch.equal(torch.get_rng_state(), chance)
    assert faiss.omp_get_max_threads() == threads
    assert faiss.cvar.distance_compute_blas_threshold == blas


def test_many_queries_are_searched_a_part_at_a_time(monkeypatch):
    vectors = normal(60, 4)
    whole = Index(vectors).search(vectors, 5)
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    parts = Index(vectors).search(vectors, 5)
    assert torch.equal(whole[0], parts[0])
    assert torch.allclose(whole[1], parts[1])


def test_a_gradient_does_not_come_into_it():
    vectors = normal(10, 4).requires_grad_()
    _, similarity = Index(vectors).search(vectors, 2)
    assert not similarity.requires_grad


@pytest.mark.parametrize(("shape", "k"), [((2, 4), 0), ((2, 5), 1), ((4,), 1)])
def test_a_question_that_makes_no_sense_is_refused(shape, k):
    with pytest.raises(ValueError, match="needs k >= 1"):
        Index(normal(6, 4)).search(normal(*shape), k)


def test_without_faiss_the_extras_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BadInput, match=r"pip install conlst\[cpu\], or conlst\[gpu\]"):
        Index(normal(6, 4))


@pytest.mark.parametrize("store", [pickle.dumps, copy.deepcopy])
def test_an_index_is_never_stored(store):
    with pytest.raises(TypeError, match="never stored"):
        store(Index(normal(6, 4)))


@pytest.fixture
def gpu(monkeypatch):
    """A faiss that believes in a GPU and counts what it moves there and back."""
    import faiss

    moved = SimpleNamespace(there=0, back=0, memories=0)

    def there(memory, number, index):
        moved.there += 1
        return index

    def back(index):
        moved.back += 1
        return index

    def memory():
        moved.memories += 1

    neighbours._gpu_memory.cache_clear()
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", memory, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", there, raising=False)
    monkeypatch.setattr(faiss, "index_gpu_to_cpu", back, raising=False)
    yield moved
    neighbours._gpu_memory.cache_clear()


def test_indexes_on_a_gpu_share_its_scratch_memory(gpu):
    indexes = [Index(normal(10, 4)), Index(normal(10, 4), exact_up_to=0)]
    assert gpu == SimpleNamespace(there=2, back=0, memories=1)
    assert [index.search(normal(1, 4), 10)[0].min() for index in indexes] == [0, 0]


def test_what_is_too_much_for_a_gpu_is_searched_in_a_copy_that_is_made_once(gpu):
    vectors = normal(3000, 4)
    index = Index(vectors)
    index.search(vectors[:1], 2048)
    assert gpu.back == 0
    for _ in range(2):
        place, _ = index.search(vectors[:1], 2500)
    assert gpu.back == 1
    assert place.min() >= 0


@pytest.mark.gpu
def test_a_real_gpu_gives_the_same_answer():
    faiss = pytest.importorskip("faiss")
    if not (hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus()):
        pytest.skip("this faiss sees no GPU")
    vectors = clustered(6000)
    index = Index(vectors)
    place, similarity = index.search(vectors[:50], 20)
    full_place, full_similarity = index.search(vectors[:50], 2100)  # on the CPU
    assert torch.allclose(similarity, full_similarity[:, :20], atol=1e-4)
    assert (place == full_place[:, :20]).float().mean() > 0.99
