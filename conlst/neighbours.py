"""Rows nearest to a query by cosine similarity: exactly among few rows, nearly so among many."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from math import ceil, sqrt
from typing import Any, NoReturn

import torch
from torch import Tensor

from conlst.errors import BadInput

CHUNK = 4096
"""Queries that are searched at once: what an answer costs in memory beside itself."""
GPU_MOST = 2048
"""The most neighbours, and the most cells, that faiss can look at on a GPU."""
SEED = 13


class Index:
    """Rows that can be searched by cosine similarity, with faiss, on its GPU if it sees one.

    Up to `exact_up_to` rows every row is compared (IndexFlatIP). More are sorted into about
    4 sqrt(N) cells by spherical k-means, seeded, and a query looks into the nearest of them only
    (IndexIVFFlat): one in 32, at least 16, and as many as it takes to hold 8 k rows. What is asked
    for all rows is therefore compared with all rows.

    An index is never stored: it is built anew from the vectors.

    Args:
        vectors_ND: float[N, D], of any length; a vector of zeros is similar to nothing (0).
        exact_up_to: rows up to which the search is exact.

    Raises:
        BadInput: faiss is not installed.

    Examples:
        >>> index = Index(torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 3.0]]))
        >>> place, similarity = index.search(torch.tensor([[0.0, 5.0]]), k=4)
        >>> place
        tensor([[ 1,  2,  0, -1]])
        >>> similarity
        tensor([[1.0000, 0.7071, 0.0000,   -inf]])
    """

    def __init__(self, vectors_ND: Tensor, *, exact_up_to: int = 50_000) -> None:
        faiss = _faiss()
        N, D = self._shape = tuple(vectors_ND.shape)
        self._cells = 0 if exact_up_to >= N else min(N, round(4 * sqrt(N)))
        self._on_gpu = hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus() > 0
        self._cpu_copy: Any = None
        self._index: Any = faiss.IndexFlatIP(D)
        if self._cells:
            self._index = faiss.IndexIVFFlat(
                self._index, D, self._cells, faiss.METRIC_INNER_PRODUCT
            )
        if self._on_gpu:
            self._index = faiss.index_cpu_to_gpu(_gpu_memory(), 0, self._index)
        self._fill(faiss, _unit(vectors_ND))

    def _fill(self, faiss: Any, rows: Any) -> None:
        with _as_torch_would(faiss):
            if self._cells:
                k_means = self._index.cp
                k_means.seed, k_means.spherical = SEED, True
                k_means.min_points_per_centroid = 1  # of fewer than 39 faiss warns on stderr
                k_means.max_points_per_centroid = 64  # more are slower and hardly better
                self._index.train(rows)
            self._index.add(rows)

    @property
    def exact(self) -> bool:
        """Whether every row is compared with every query."""
        return not self._cells

    def __len__(self) -> int:
        return self._shape[0]

    def __reduce__(self) -> NoReturn:
        raise TypeError("an Index is never stored; build it anew from the vectors")

    def search(self, queries_QD: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k nearest rows of each query, the most similar first.

        Args:
            queries_QD: float[Q, D], of any length.
            k: neighbours; rows as similar as one another come in the order of their places.

        Returns:
            Places among the rows, int64[Q, k], and cosine similarities, float[Q, k]; place -1 and
            similarity -inf where there are fewer.

        Raises:
            ValueError: k is less than 1, or the queries are not float[Q, D].
        """
        N, D = self._shape
        if k < 1 or queries_QD.dim() != 2 or queries_QD.shape[1] != D:
            raise ValueError(f"needs k >= 1 and float[Q, {D}]; found k = {k}, {queries_QD.shape}")
        place_QK = torch.full((len(queries_QD), k), -1)
        similarity_QK = torch.full((len(queries_QD), k), -torch.inf)
        if found := min(k, N):
            for start in range(0, len(queries_QD), CHUNK):
                part = slice(start, start + CHUNK)
                place, similarity = self._search(queries_QD[part], found)
                place_QK[part, :found], similarity_QK[part, :found] = place, similarity
        return place_QK, similarity_QK

    def _search(self, queries_QD: Tensor, k: int) -> tuple[Tensor, Tensor]:
        faiss, probes = _faiss(), self._probes(k)
        with _as_torch_would(faiss):
            index = self._that_can(faiss, max(k, probes))
            if self._cells:
                index.nprobe = probes
            found = index.search(_unit(queries_QD), k)
        similarity_QK, place_QK = map(torch.from_numpy, found)
        return _ordered(place_QK, similarity_QK.masked_fill(place_QK < 0, -torch.inf))

    def _probes(self, k: int) -> int:
        """Cells that are looked into."""
        needed = ceil(8 * k * self._cells / len(self))
        return min(self._cells, max(16, self._cells // 32, needed))

    def _that_can(self, faiss: Any, most: int) -> Any:
        """The index, or a copy in the CPU's memory for what is too much for a GPU."""
        if not self._on_gpu or most <= GPU_MOST:
            return self._index
        if self._cpu_copy is None:
            self._cpu_copy = faiss.index_gpu_to_cpu(self._index)
        return self._cpu_copy


def check_installed() -> None:
    """Look whether there is a faiss, without loading it.

    Raises:
        BadInput: there is none.
    """
    if find_spec("faiss") is None:
        raise BadInput(
            "nearest neighbours are found with faiss, which is not installed; "
            "pip install conlst[cpu], or conlst[gpu] for its GPU build"
        )


def _faiss() -> Any:
    check_installed()
    import faiss

    return faiss


@cache
def _gpu_memory() -> Any:
    """The scratch memory of faiss on the GPU, more than a gigabyte: all indexes share one."""
    return _faiss().StandardGpuResources()


@contextmanager
def _as_torch_would(faiss: Any) -> Iterator[None]:
    """Use as many threads as torch, and BLAS for small batches of queries too.

    faiss counts its own threads, and 1.15 uses BLAS from 128,000 queries on only: without it 32
    queries take two to eight times as long.
    """
    threads, from_queries = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    faiss.omp_set_num_threads(torch.get_num_threads())
    faiss.cvar.distance_compute_blas_threshold = 20
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_threshold = from_queries


def _unit(vectors_ND: Tensor) -> Any:
    unit_ND = torch.nn.functional.normalize(vectors_ND.detach().float(), dim=1)
    return unit_ND.cpu().contiguous().numpy()


def _ordered(place_QK: Tensor, similarity_QK: Tensor) -> tuple[Tensor, Tensor]:
    """By similarity, ties by place: faiss gives ties in any order."""
    by_place_QK = place_QK.argsort(dim=1, stable=True)
    by_both_QK = similarity_QK.gather(1, by_place_QK).argsort(dim=1, descending=True, stable=True)
    order_QK = by_place_QK.gather(1, by_both_QK)
    return place_QK.gather(1, order_QK), similarity_QK.gather(1, order_QK)
