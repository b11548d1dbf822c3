"""Pools, batches and loss inputs to try strategies on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from conlst.arrays import LossInput, Points, Pool, Selection, SourceView, TokenBatch


def pool_of(
    probs: Sequence[Sequence[float]] | Tensor,
    *,
    languages: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    confident: Sequence[bool] | Tensor | None = None,
    **others: Any,
) -> Pool:
    """Build a pool from its probabilities; the classes are named a, b, c, ...

    Args:
        probs: float[N, C], rows sum to 1.
        languages: of each row; all "sw" by default.
        groups: of each row; each row alone by default.
        confident: of each row; undecided by default.
        **others: further fields of `Pool`.

    Examples:
        >>> pool_of([[0.9, 0.1], [0.2, 0.8]]).pseudo_label
        tensor([0, 1])
    """
    probs_NC = torch.as_tensor(probs)
    N, C = probs_NC.shape
    named = list(languages or ["sw"] * N)
    known = sorted(set(named))
    given: dict[str, Any] = {
        "classes": tuple(chr(ord("a") + c) for c in range(C)),
        "ids": [str(n) for n in range(N)],
        "languages": tuple(known),
        "language": torch.tensor([known.index(name) for name in named], dtype=torch.int64),
        "group": torch.arange(N) if groups is None else torch.tensor(groups, dtype=torch.int64),
        "logits_NC": probs_NC.clamp(min=1e-9).log(),
        "probs_NC": probs_NC,
        "features_ND": torch.zeros(N, 1),
        "confident": None if confident is None else torch.as_tensor(confident, dtype=torch.bool),
    }
    return Pool(**(given | others))


def random_pool(
    N: int = 48,
    C: int = 3,
    D: int = 8,
    *,
    seed: int = 0,
    languages: Sequence[str] = ("sw", "th"),
    gamma: float = 0.6,
    passes: int = 0,
    source: int = 0,
    rounds: int = 0,
) -> Pool:
    """Build a pool of parallel rows: each text once in every language, as one group.

    Args:
        N: rows.
        C: classes.
        D: features.
        seed: of everything that is drawn.
        languages: rows take turns in them.
        gamma: rows of at least that confidence are the confident ones.
        passes: stochastic passes, for a strategy that needs them; 0 for none.
        source: labelled source rows, for a strategy that needs them; 0 for none.
        rounds: iterations before this one, each of which selected a few other rows.

    Examples:
        >>> len(random_pool(6)), random_pool(6).group.tolist()
        (6, [0, 0, 1, 1, 2, 2])
    """
    generator = torch.Generator().manual_seed(seed)

    def logits(*shape: int) -> Tensor:
        return 1.5 * torch.randn(*shape, C, generator=generator)

    def view(S: int) -> SourceView:
        features = torch.randn(S, D, generator=generator)
        return SourceView(logits(S).softmax(1), features, torch.arange(S) % C)

    def chosen(earlier: int) -> Selection:
        index = torch.arange(earlier, N, 2 * rounds)
        target = torch.nn.functional.one_hot(index % C, C).float()
        return Selection(index, target, torch.ones(len(index)))

    logits_NC = logits(N)
    probs_NC = logits_NC.softmax(1)
    return pool_of(
        probs_NC,
        languages=[languages[n % len(languages)] for n in range(N)],
        groups=[n // len(languages) for n in range(N)],
        confident=probs_NC.amax(1) >= gamma,
        logits_NC=logits_NC,
        features_ND=torch.randn(N, D, generator=generator),
        probs_PNC=(logits_NC + 0.3 * logits(passes, N)).softmax(2) if passes else None,
        source=view(source) if source else None,
        history=tuple(map(chosen, range(rounds))),
        round=1 + rounds,
    )


def edge_pools(*, passes: int = 0, source: int = 0, rounds: int = 0) -> dict[str, Pool]:
    """Build the pools that strategies stumble over, by what is special in them.

    Examples:
        >>> list(edge_pools())
        ['nobody confident', 'everyone confident', 'a class never predicted', 'one row', \
'two classes', 'all classes equal']
    """

    def pool(N: int = 24, C: int = 3, **how: Any) -> Pool:
        return random_pool(N, C, passes=passes, source=source, rounds=rounds, **how)

    def with_logits(base: Pool, logits_NC: Tensor) -> Pool:
        probs_NC = logits_NC.softmax(1)
        return replace(base, logits_NC=logits_NC, probs_NC=probs_NC)

    never = pool()
    return {
        "nobody confident": pool(gamma=1.1),
        "everyone confident": pool(gamma=0.0),
        "a class never predicted": with_logits(never, never.logits_NC - torch.tensor([0, 0, 9.0])),
        "one row": pool(1),
        "two classes": pool(C=2),
        "all classes equal": with_logits(pool(), torch.zeros(24, 3)),
    }


def random_tokens(B: int = 6, T: int = 12, *, seed: int = 0, mask_id: int | None = 4) -> TokenBatch:
    """Build a batch of rows of different lengths: class token 0, ordinary 10 to 19, separator 2.

    Examples:
        >>> random_tokens(2, 6).attention_BT.tolist()
        [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]
    """
    ids_BT = torch.randint(10, 20, (B, T), generator=torch.Generator().manual_seed(seed))
    end_B1 = (T - 1 - torch.arange(B) % max(T - 2, 1))[:, None]
    place_T = torch.arange(T)
    attention_BT = (place_T <= end_B1).long()
    ids_BT[:, 0] = 0
    ids_BT = ids_BT.where(place_T < end_B1, 2).where(attention_BT == 1, 1)
    special_BT = (place_T == 0) | (place_T >= end_B1)
    return TokenBatch(ids_BT, attention_BT, torch.zeros_like(ids_BT), special_BT, mask_id)


def random_points(
    B: int = 8, C: int = 3, D: int = 5, T: int = 0, *, seed: int = 0, source: bool = False
) -> Points:
    """Build features float[B, D], or states float[B, T, D] of rows of different lengths.

    Args:
        B: rows.
        C: classes.
        D: features.
        T: tokens of the longest row; 0 for features.
        seed: of everything that is drawn.
        source: whether as many source rows stand beside them.

    Examples:
        >>> random_points(2, T=4).attention_BT.tolist()
        [[1, 1, 1, 1], [1, 1, 1, 0]]
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (B, T, D) if T else (B, D)
    tokens = random_tokens(B, T) if T else None
    label_B = torch.randint(C, (B,), generator=generator)
    return Points(
        torch.randn(shape, generator=generator),
        torch.nn.functional.one_hot(label_B, C).float(),
        torch.arange(B) % 2,
        None if tokens is None else tokens.attention_BT,
        None if tokens is None else tokens.special_BT,
        random_points(B, C, D, T, seed=seed + 1) if source else None,
    )


def random_loss_input(
    B: int = 6,
    C: int = 3,
    D: int = 5,
    M: int = 7,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    layer: int = 0,
) -> LossInput:
    """Build an input with every field filled; the last anchor has no negatives.

    Args:
        B: rows.
        C: classes.
        D: features.
        M: negatives.
        seed: of everything that is drawn.
        dtype: of the floats.
        layer: whose attention probabilities there are; 2 heads, 4 tokens.

    Examples:
        >>> random_loss_input(2).negative_mask.any(1).tolist()
        [True, False]
    """
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    def attention() -> dict[int, Tensor]:
        return {layer: randn(B, 2, 4, 4).softmax(-1)}

    label_B = torch.randint(C, (B,), generator=generator)
    other_B = (label_B + torch.randint(1, C, (B,), generator=generator)) % C
    classes_C = torch.arange(C)
    return LossInput(
        logits=randn(B, C),
        target=(classes_C == label_B[:, None]).to(dtype),
        complement=classes_C == other_B[:, None],
        anchor=randn(B, D),
        positive=randn(B, D),
        negatives=randn(M, D),
        negative_mask=(torch.rand(B, M, generator=generator) < 0.7)
        & (torch.arange(B) < B - 1)[:, None],
        language=torch.arange(B) % 2,
        confident=torch.arange(B) % 3 > 0,
        features=randn(B, D),
        clean_logits=4 * randn(B, C),
        embedding=randn(B, D),
        clean_embedding=randn(B, D),
        attention=attention(),
        clean_attention=attention(),
        progress=0.5,
    )
