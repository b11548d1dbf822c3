"""Goal 7: what FlexMatch writes down at every step, and a whole step of stage 2 around it.

The peer of the bookkeeping counts the last labels of all N rows anew at every step, in plain
Python, as the formula is first written and as USB's hook does it. Both must give equal masks.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.speed import bed
from benchmarks.speed.bed import CLASSES
from benchmarks.speed.rounds import Arm, Line, alternate, duration, now, ratios, repeated
from benchmarks.speed.setting import Setting
from conlst.arrays import Pool, Sizes
from conlst.model import Classifier
from conlst.selectors import FlexMatch
from conlst.stages import self_training
from conlst.stages.material import Source, Target
from conlst.testing import pool_of
from conlst.tokens import length_batches
from conlst.train import Tools

B, C, TAU = 8, 3, 0.9
XNLI = 392_702
SIZES = (10**4, 10**5, XNLI, 10**6, 10**7)
OURS, BARE = "conlst", "bare forward and backward"


def measure(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Microseconds of bookkeeping at five pool sizes, then a stage-2 step."""
    setting = Setting.of(told)
    sizes = SIZES if not setting.quick else (500, 2000)
    _same_masks(sizes[0], setting.seed)
    arms: dict[str, Arm] = {}
    for N in sizes:
        calls = setting.size(2000, 5)
        arms[f"ours {N}"] = repeated(_ours(N, setting.seed), calls)
        arms[f"all {N}"] = repeated(_counting(N, setting.seed), 1 if N > 10**6 else 3)
    seconds = alternate(arms, setting.rounds)
    lines = [
        Line(
            f"FlexMatch bookkeeping a step, B={B}, N={N:.0e}",
            f"all N counted: {_middle(seconds[f'all {N}'])}",
            f"conlst: {_middle(seconds[f'ours {N}'])}",
            [1e6 * s for s in seconds[f"ours {N}"]],
            20,
            "<=",
            "us",
        )
        for N in sizes
    ]
    lines.append(_step(setting))
    return [line.json() for line in lines]


def _stream(N: int, seed: int) -> list[Pool]:
    """Batches of a pool as a model sees them that is sure of some."""
    g = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(200):
        probs_BC = (3 * torch.randn(B, C, generator=g)).softmax(1)
        place_B = torch.randint(N, (B,), generator=g).unique()
        made.append(pool_of(probs_BC[: len(place_B)], place=place_B))
    for pool in made:  # the argmax and the maximum are the model's, not the bookkeeping's
        _ = pool.pseudo_label, pool.confidence
    return made


def _ours(N: int, seed: int) -> Callable[[], object]:
    """Thresholds from the counts of before, then the batch's sure rows are taken over."""
    online = FlexMatch(threshold=TAU).build(Sizes(C, 1, ("en", "sw"), N))
    batches = cycle(_stream(N, seed))

    def step() -> None:
        *sigma_C, unsure = online.count.tolist()
        online.flexmatch.thresholds_at(sigma_C, unsure)
        online.remember(next(batches))

    return step


def _counting(N: int, seed: int) -> Callable[[], object]:
    peer, batches = Counting(N), cycle(_stream(N, seed))
    return lambda: peer.step(next(batches))


class Counting:
    """FlexMatch with warm-up, convex, counting the last sure label of every row at every step."""

    def __init__(self, N: int) -> None:
        self.N = N
        self.last_N = torch.full((N,), -1)

    def step(self, pool: Pool) -> Tensor:
        """The mask of a batch by the thresholds of before it."""
        assert pool.place is not None
        counts = Counter(self.last_N.tolist())
        most = max(counts.values())
        beta = [counts[c] / most for c in range(C)]
        threshold_C = torch.tensor([TAU * b / (2 - b) for b in beta])
        mask = pool.confidence >= threshold_C[pool.pseudo_label]
        sure = pool.confidence >= TAU
        self.last_N[pool.place[sure]] = pool.pseudo_label[sure]
        return mask


def _same_masks(N: int, seed: int) -> None:
    """Both keep the same rows at every step."""
    online, peer = FlexMatch(threshold=TAU).build(Sizes(C, 1, ("en", "sw"), N)), Counting(N)
    for pool in _stream(N, seed):
        kept = online(pool, generator=torch.Generator()).index
        if not torch.equal(kept, peer.step(pool).nonzero().flatten()):
            raise AssertionError("the two FlexMatches keep different rows")


def _step(setting: Setting) -> Line:
    """An epoch of stage 2 online against forward and backward of the same three streams.

    Its streams are a source batch, the target batch as it is (without gradient) and its masked
    view. Times are taken for a real token, since the two arms do not draw the same batches. The
    step has its optimiser, and the bare arm has none.
    """
    shape, N = (bed.SMALL, 64) if not setting.quick else (bed.TINY, 16)
    place = bed.folder(shape)
    model = bed.classifier(place, "fp32")
    rows = bed.texts(setting, 2 * N)
    ours, theirs = rows.take(range(N)), rows.take(range(N, 2 * N))
    target = bed.target(ours, model.tokenise(ours))
    source = bed.source_of(theirs, model.tokenise(theirs), CLASSES)
    pool = replace(bed.spread_pool(target, CLASSES, shape.width, setting.seed), round=1)
    stage = bed.recipe_of(
        place,
        "fp32",
        self_training={
            "mode": "online",
            "batch_size": B,
            "epochs": 1,
            "learning_rate": 1e-9,  # a model that learns would become sure, and rows be dropped
            "selector": {"type": "flexmatch", "threshold": TAU},
            "augment": {"type": "masking"},
        },
    ).self_training
    assert stage is not None

    arms = {
        OURS: lambda: _library(
            model,
            setting,
            lambda tools: self_training.train(stage, model, source, target, pool, tools),
        ),
        BARE: lambda: _bare(model, setting, target, source),
    }
    per_token = alternate(arms, setting.rounds)
    tokens = int(source.tokens.lengths.sum() + 2 * target.tokens.lengths.sum()) / (N / B)
    return Line(
        f"stage-2 step online, three streams of {B}, AdamW included, {shape}",
        f"{BARE}: {duration(tokens * median(per_token[BARE]))}",
        f"{OURS}: {duration(tokens * median(per_token[OURS]))}",
        ratios(per_token[OURS], per_token[BARE]),
        1.06,
        "<=",
    )


def _library(model: Classifier, setting: Setting, stage: Callable[[Tools], object]) -> float:
    """Seconds a token of the steps of a stage, the first not counted: a stage begins with it."""
    at: list[tuple[float, int]] = []

    def told(*_: object) -> None:
        at.append((now(), model.take_counts()[0]))

    hook = register_optimizer_step_post_hook(told)
    stage(bed.tools(model, "fp32", setting.seed))
    hook.remove()
    return (at[-1][0] - at[0][0]) / sum(tokens for _, tokens in at[1:])


def _bare(model: Classifier, setting: Setting, target: Target, source: Source) -> float:
    """Seconds a token of forward and backward of the three streams; no optimiser."""
    g = torch.Generator().manual_seed(setting.seed)
    streams = [length_batches(x.tokens.lengths, B, generator=g) for x in (target, source)]
    model.take_counts()
    start = now()
    for target_B, source_B in zip(*streams, strict=True):
        model.eval()
        with torch.no_grad():
            model.encode(target.tokens, target_B)
        model.train()
        total = model.encode(source.tokens, source_B).logits.square().mean()
        total = total + model.encode(target.tokens, target_B).logits.square().mean()
        total.backward()
        model.zero_grad()
    return (now() - start) / model.take_counts()[0]


def _middle(seconds: list[float]) -> str:
    return duration(median(seconds))
