"""Goal 6: a draw of negatives at any pool size, without replacement, and what it keeps in memory.

The peer is the line that one writes first: `np.random.choice(rows, K, replace=False)` an anchor.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from statistics import median
from typing import Any

import numpy
import torch
from torch import Tensor

from benchmarks.speed import apart
from benchmarks.speed.rounds import Arm, Line, alternate, duration, ratios, repeated
from benchmarks.speed.setting import Setting
from conlst.arrays import Pool
from conlst.negatives import Uniform
from conlst.selectors import FlexMatch

B, K, C = 32, 16, 3
SIZES = (10**4, 10**5, 10**6, 10**7)
OUTPUTS = {"logits_NC", "probs_NC", "features_ND", "probs_PNC"}
"""What the model said of the rows: there with any sampler."""


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Microseconds a draw, how they grow, and bytes a row."""
    setting = Setting.of(told)
    sizes = SIZES if not setting.quick else (1000, 4000)
    arms: dict[str, Arm] = {}
    bytes_a_row = []
    for N in sizes:
        pool = pool_of(N, setting.seed)
        for share in ("class", "anchor"):
            drawer = Uniform(count=K, share=share).build(pool)
            draw = _draw(drawer, pool, setting.seed)
            arms[f"{share} {N}"] = repeated(draw, setting.size(500, 5))
        draw()  # an index is made at the first
        bytes_a_row.append(held(drawer, pool) / N)
    peer_at = min(sizes[-1], 10**6)
    numpys = _numpy(pool_of(peer_at, setting.seed), setting.seed)
    arms["numpy"] = repeated(numpys, 2 if peer_at > 10**5 else 5)
    seconds = alternate(arms, setting.rounds)
    peer = f"np.random.choice, N={peer_at:.0e}: {_middle(seconds['numpy'])}"
    lines = []
    for share, told_as in (("class", "shared by class"), ("anchor", "an anchor each")):
        for N in sizes:
            mine = seconds[f"{share} {N}"]
            what = f"a draw, B={B}, K={K}, {told_as}, N={N:.0e}"
            micro = [1e6 * s for s in mine]
            lines.append(Line(what, peer, f"conlst: {_middle(mine)}", micro, 20, "<=", "us"))
        small, large = sizes[-1] // 100 if not setting.quick else sizes[0], sizes[-1]
        grows = ratios(seconds[f"{share} {large}"], seconds[f"{share} {small}"])
        what = f"a draw, {told_as}, N={large:.0e} over N={small:.0e}"
        ours = f"conlst: {_middle(seconds[f'{share} {large}'])}"
        there = f"conlst: {_middle(seconds[f'{share} {small}'])}"
        lines.append(Line(what, there, ours, grows, 2.5, "<="))
    lines.append(_bytes(bytes_a_row[-1], sizes[-1]))
    _, peak = apart.run(__name__, "select_and_draw", N=sizes[-1], seed=setting.seed)
    lines.append(
        Line(
            f"selection and sampling, N={sizes[-1]:.0e}, whole process",
            "-",
            f"conlst: {peak / 1e9:.2f} GB at most",
            [peak / 1e9],
            2,
            "<=",
            "GB",
        )
    )
    return [line.json() for line in lines]


def pool_of(N: int, seed: int) -> Pool:
    """N rows of three classes in two languages, one in ten of them confident; no features."""
    g = torch.Generator().manual_seed(seed)
    probs_NC = torch.rand(N, C, generator=g).square_()
    probs_NC /= probs_NC.sum(1, keepdim=True)
    return Pool(
        tuple("abc"),
        range(N),  # type: ignore[arg-type]  # ten million strings are not what is measured
        ("en", "sw"),
        torch.ones(N, dtype=torch.int64),
        torch.arange(N),
        probs_NC.log(),
        probs_NC,
        torch.empty(N, 0),
        confident=torch.rand(N, generator=g) < 0.1,
    )


def _batches(pool: Pool, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Anchors with a complementary label each, a few hundred batches in turn."""
    g = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(200):
        anchors_B = torch.randint(len(pool), (B,), generator=g)
        other_B = torch.randint(1, C, (B,), generator=g)
        made.append((anchors_B, (pool.pseudo_label[anchors_B] + other_B) % C))
    return cycle(made)


def _draw(drawer: Any, pool: Pool, seed: int) -> Callable[[], object]:
    batches, g = _batches(pool, seed), torch.Generator().manual_seed(seed)

    def draw() -> None:
        anchors_B, complement_B = next(batches)
        drawer.draw(pool, anchors_B, complement_B, generator=g)

    return draw


def _numpy(pool: Pool, seed: int) -> Callable[[], object]:
    """One choice without replacement for every complementary label of the batch."""
    batches = _batches(pool, seed)
    label, confident = pool.pseudo_label, pool.confident
    assert confident is not None
    rows = [((label == c) & confident).nonzero().flatten().numpy() for c in range(C)]
    numpy.random.seed(seed)

    def draw() -> None:
        _, complement_B = next(batches)
        for c in complement_B.unique().tolist():
            numpy.random.choice(rows[c], K, replace=False)

    return draw


def held(drawer: object, pool: Pool) -> int:
    """Bytes of every tensor that the pool and its sampler keep, the model's outputs apart."""
    outputs = [getattr(pool, name) for name in OUTPUTS]
    seen = {t.untyped_storage().data_ptr(): 0 for t in outputs if t is not None}
    _count(drawer, seen, set())
    _count(pool, seen, set())
    return sum(seen.values())


def _count(value: object, seen: dict[int, int], visited: set[int]) -> None:
    if id(value) in visited:
        return
    visited.add(id(value))
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        seen.setdefault(storage.data_ptr(), storage.nbytes())
    elif isinstance(value, numpy.ndarray):
        seen.setdefault(value.__array_interface__["data"][0], value.nbytes)
    elif isinstance(value, (tuple, list)):
        for part in value if len(value) < 100 else ():
            _count(part, seen, visited)
    elif isinstance(value, dict):
        for part in value.values():
            _count(part, seen, visited)
    elif type(value).__module__.startswith("conlst"):
        _count(getattr(value, "__dict__", {}), seen, visited)


def _bytes(bytes_a_row: float, N: int) -> Line:
    return Line(
        f"memory beside the token ids and the model's outputs, N={N:.0e}",
        "a list of dicts: 2511 B with its ids",
        f"conlst: {bytes_a_row:.1f} B a row",
        [bytes_a_row],
        10,
        "<=",
        "B",
    )


def select_and_draw(N: int, seed: int) -> None:
    """FlexMatch on the whole pool, then a thousand draws."""
    pool = pool_of(N, seed)
    FlexMatch(threshold=0.9)(pool, generator=torch.Generator().manual_seed(seed))
    draw = _draw(Uniform(count=K).build(pool), pool, seed)
    for _ in range(1000):
        draw()


def _middle(seconds: list[float]) -> str:
    return duration(median(seconds))
