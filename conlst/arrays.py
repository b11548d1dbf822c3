"""The value types that travel between the rooms. Shapes are checked once, here.

Letters: N pool rows, C classes, D features, B anchors or batch rows, K drawn, P stochastic passes,
M negatives encoded in a step, T tokens of the longest row of a batch.
No type here has a place for a gold label of a target language.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, eq=False)
class Rows:
    """Texts as they were read: one entry a row in every field."""

    ids: Sequence[str]
    texts: Sequence[str]
    pairs: Sequence[str] | None
    """The second text (an NLI hypothesis), or None for single texts."""
    languages: Sequence[str]
    numbered: bool = False
    """Row numbers stand in for ids: that they recur elsewhere says nothing."""

    def __post_init__(self) -> None:
        n = len(self.texts)
        _check(
            len(self.ids) == len(self.languages) == n
            and (self.pairs is None or len(self.pairs) == n),
            "ids, texts, pairs and languages must have one entry a row",
        )

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: Sequence[int]) -> "Rows":
        """The rows at `index`, in that order."""
        return Rows(
            [self.ids[i] for i in index],
            [self.texts[i] for i in index],
            None if self.pairs is None else [self.pairs[i] for i in index],
            [self.languages[i] for i in index],
            self.numbered,
        )

    def joined(self, other: "Rows") -> "Rows":
        """These rows and then the other's; both are single texts or both are pairs."""
        _check((self.pairs is None) == (other.pairs is None), "texts and pairs cannot be joined")
        pairs = None if self.pairs is None else [*self.pairs, *(other.pairs or [])]
        return Rows(
            [*self.ids, *other.ids],
            [*self.texts, *other.texts],
            pairs,
            [*self.languages, *other.languages],
            self.numbered or other.numbered,
        )


@dataclass(frozen=True, eq=False)
class Tokens:
    """Token ids of many rows without padding: row i is `ids[offsets[i]:offsets[i + 1]]`."""

    ids: Tensor
    """int32[total], or any integer type."""
    segments: Tensor | None
    """int8[total]: 0 for the first text, 1 for the second; None where the model has none."""
    offsets: Tensor
    """int64[N + 1], ascending from 0."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> Tensor:
        """int64[N]: tokens of each row."""
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, rows: Tensor) -> "Tokens":
        """The rows at `rows`, in that order."""
        lengths = self.lengths[rows]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        within = torch.arange(int(offsets[-1])) - offsets[:-1].repeat_interleave(lengths)
        place = self.offsets[rows].repeat_interleave(lengths) + within
        return Tokens(
            self.ids[place], None if self.segments is None else self.segments[place], offsets
        )


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """A padded batch on its way into the encoder."""

    ids_BT: Tensor
    attention_BT: Tensor
    """int64[B, T]: 1 at tokens, 0 at padding."""
    segments_BT: Tensor | None
    special_BT: Tensor
    """bool[B, T]: separators, class token, padding: what an augmenter must leave alone."""
    mask_id: int | None
    """The tokenizer's mask token, for augmenters that mask."""

    def __len__(self) -> int:
        return len(self.ids_BT)

    def take(self, rows: Tensor) -> "TokenBatch":
        """The rows at `rows`, in that order, no less padded."""
        return TokenBatch(
            self.ids_BT[rows],
            self.attention_BT[rows],
            None if self.segments_BT is None else self.segments_BT[rows],
            self.special_BT[rows],
            self.mask_id,
        )


@dataclass(frozen=True, eq=False)
class Points:
    """What an augmenter mixes or shakes inside the encoder: features, or the states of a layer."""

    values: Tensor
    """float[B, D] sentence features, or float[B, T, D] states of every token."""
    target_BC: Tensor
    """float[B, C]: rows sum to 1."""
    language: Tensor
    """int64[B]: index into the run's languages."""
    attention_BT: Tensor | None = None
    """int64[B, T], of states: 1 at tokens, 0 at padding."""
    special_BT: Tensor | None = None
    """bool[B, T], of states: class token, separators, padding."""
    source: "Points | None" = None
    """As many labelled source rows, for augmenters that need "source"; T is the same."""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Selection:
    """The pool rows a selector trusts, what it takes them for and how much they count."""

    index: Tensor
    """int64[K], ascending and unique."""
    target_KC: Tensor
    """float[K, C]: rows sum to 1; a hard pseudo-label is a one-hot row."""
    weight: Tensor
    """float[K], in (0, 1]."""

    def __post_init__(self) -> None:
        K = len(self.index)
        _check(self.index.dtype == torch.int64 and self.index.dim() == 1, "index must be int64[K]")
        _check(bool((self.index[1:] > self.index[:-1]).all()), "index must ascend, without repeats")
        _check(self.target_KC.dim() == 2 and len(self.target_KC) == K, "target must be float[K, C]")
        sums = self.target_KC.sum(1)
        _check(torch.allclose(sums, torch.ones_like(sums), atol=1e-4), "target rows must sum to 1")
        _check(self.weight.shape == (K,), "weight must be float[K]")
        _check(bool(((self.weight > 0) & (self.weight <= 1)).all()), "weights must lie in (0, 1]")

    @classmethod
    def hard(cls, pool: "Pool", keep_N: Tensor) -> "Selection":
        """The rows where `keep_N` holds, with their own pseudo-labels, each counting 1."""
        index = keep_N.nonzero().flatten()
        target = torch.nn.functional.one_hot(pool.pseudo_label[index], len(pool.classes))
        return cls(index, target.to(pool.probs_NC.dtype), torch.ones(len(index)))


@dataclass(frozen=True, eq=False)
class SourceView:
    """What the current model says of labelled source rows, for those who compare with them."""

    probs_SC: Tensor
    features_SD: Tensor
    label: Tensor
    """int64[S]: the source's own gold labels."""


@dataclass(frozen=True)
class Sizes:
    """What a part that learns or remembers is built for."""

    classes: int
    """C"""
    features: int
    """D"""
    languages: tuple[str, ...]
    """The run's languages, the source's first: `language` of pools and batches counts so."""
    rows: int = 0
    """N: rows of the pool it will be shown, by their place in it; 0 where there is no pool."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Unlabelled target rows as the current model sees them. It never carries a gold label."""

    classes: tuple[str, ...]
    ids: Sequence[str]
    languages: tuple[str, ...]
    """The languages of the run, the source's first; not each need be in the pool."""
    language: Tensor
    """int64[N]: index into `languages`."""
    group: Tensor
    """int64[N]: rows that are translations of one another share a group."""
    logits_NC: Tensor
    probs_NC: Tensor
    features_ND: Tensor
    probs_PNC: Tensor | None = None
    """float[P, N, C]: stochastic passes, where a strategy needs them."""
    confident: Tensor | None = None
    """bool[N]: who is confident, decided once a stage by `contrastive.confident`."""
    round: int = 0
    """The self-training iteration, from 1; 0 before."""
    history: tuple[Selection, ...] = ()
    """What the iterations before selected, from the first on; the parts of a batch have none."""
    place: Tensor | None = None
    """int64[N]: where the rows of a batch stand in the whole pool; None: this is the whole."""
    source: SourceView | None = None

    def __post_init__(self) -> None:
        N, C = len(self.ids), len(self.classes)
        _check(
            self.logits_NC.shape == self.probs_NC.shape == (N, C), "logits and probs must be [N, C]"
        )
        _check(
            self.features_ND.dim() == 2 and len(self.features_ND) == N, "features must be [N, D]"
        )
        _check(
            self.language.shape == self.group.shape == (N,), "language and group must be int64[N]"
        )
        _check(self.confident is None or self.confident.shape == (N,), "confident must be bool[N]")
        _check(self.place is None or self.place.shape == (N,), "place must be int64[N]")
        sums = self.probs_NC.sum(1)
        _check(
            torch.allclose(sums, torch.ones_like(sums), atol=1e-3),
            "probs rows must sum to 1 (were logits handed in as probabilities?)",
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def previous(self) -> Selection | None:
        """What the iteration before selected."""
        return self.history[-1] if self.history else None

    @cached_property
    def pseudo_label(self) -> Tensor:
        """int64[N]: argmax of the probabilities."""
        return self.probs_NC.argmax(1)

    @cached_property
    def confidence(self) -> Tensor:
        """float[N]: the largest probability."""
        return self.probs_NC.amax(1)

    @cached_property
    def confident_by_class(self) -> tuple[Tensor, Tensor]:
        """Confident rows sorted by pseudo-label, in CSR form: `rows[offsets[c]:offsets[c + 1]]`.

        A draw from a class then costs the same at ten thousand and at ten million rows.

        Raises:
            ValueError: nobody decided yet who is confident.
        """
        if self.confident is None:
            raise ValueError("the pool does not say who is confident; set contrastive.confident")
        rows = self.confident.nonzero().flatten()
        return _by_class(rows, self.pseudo_label[rows], len(self.classes))

    @cached_property
    def rows_by_class(self) -> tuple[Tensor, Tensor]:
        """All rows by pseudo-label, the most confident first; in form as `confident_by_class`."""
        rows = self.confidence.argsort(descending=True, stable=True)
        return _by_class(rows, self.pseudo_label[rows], len(self.classes))

    def passed(self, passes: int) -> "Pool":
        """The pool with its first `passes` stochastic passes: there may be more, for others."""
        if self.probs_PNC is None or len(self.probs_PNC) <= passes:
            return self
        return replace(self, probs_PNC=self.probs_PNC[:passes])

    def take(self, index: Tensor) -> "Pool":
        """The pool of the rows at `index` (int64[n], no repeats) alone, in that order.

        Everything that has one entry a row is cut, and `history` counts through the new rows.
        """
        return replace(
            self,
            ids=[self.ids[i] for i in index.tolist()],
            language=self.language[index],
            group=self.group[index],
            logits_NC=self.logits_NC[index],
            probs_NC=self.probs_NC[index],
            features_ND=self.features_ND[index],
            probs_PNC=None if self.probs_PNC is None else self.probs_PNC[:, index],
            confident=None if self.confident is None else self.confident[index],
            history=tuple(self._renumber(selection, index) for selection in self.history),
            place=index if self.place is None else self.place[index],
        )

    def _renumber(self, selection: Selection, index: Tensor) -> Selection:
        _check(len(index.unique()) == len(index), "rows to take must not repeat")
        at = torch.searchsorted(selection.index, index)  # N does not enter: batches are many
        found = at < torch.searchsorted(selection.index, index, right=True)
        at = at[found]
        return Selection(found.nonzero().flatten(), selection.target_KC[at], selection.weight[at])


def _by_class(rows: Tensor, label: Tensor, C: int) -> tuple[Tensor, Tensor]:
    counts = torch.bincount(label, minlength=C)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return rows[label.argsort(stable=True)], offsets


@dataclass(frozen=True, eq=False)
class LossInput:
    """All that a loss may look at, for B rows. None stands where the stage has nothing."""

    logits: Tensor
    """float[B, C]"""
    target: Tensor | None = None
    """float[B, C]: rows sum to 1; one-hot for a hard label, mixed for mixed rows."""
    complement: Tensor | None = None
    """bool[B, C]: classes the row is held not to be."""
    confident: Tensor | None = None
    """bool[B]: whether `contrastive.confident` trusts the row's pseudo-label."""
    features: Tensor | None = None
    """float[B, D]: what enters the last linear layer."""
    anchor: Tensor | None = None
    """float[B, D]: contrastive outputs of the rows."""
    positive: Tensor | None = None
    """float[B, D]: of the same texts under another dropout mask."""
    negatives: Tensor | None = None
    """float[M, D]: of all negatives of the batch, shared by its anchors."""
    negative_mask: Tensor | None = None
    """bool[B, M]: which of them are negatives of which anchor."""
    language: Tensor | None = None
    """int64[B]: index into the run's languages."""
    clean_logits: Tensor | None = None
    """float[B, C]: of the same rows without augmentation."""
    embedding: Tensor | None = None
    """float[B, D]: mean over a row's tokens of what the embedding layer gives."""
    clean_embedding: Tensor | None = None
    """float[B, D]: the same without augmentation."""
    attention: dict[int, Tensor] = field(default_factory=dict)
    """layer, from 0 -> float[B, H, T, T]: attention probabilities, 0 at padding."""
    clean_attention: dict[int, Tensor] = field(default_factory=dict)
    """The same without augmentation; T is the same."""
    progress: float = 0.0
    """Share of the stage's steps that are done, from 0 to 1."""

    def __post_init__(self) -> None:
        B, C = self.logits.shape
        for name in ("target", "complement", "clean_logits"):
            value = getattr(self, name)
            _check(value is None or value.shape == (B, C), f"{name} must be [B, C] = [{B}, {C}]")
        for name in ("confident", "language"):
            value = getattr(self, name)
            _check(value is None or value.shape == (B,), f"{name} must be [B] = [{B}]")
        _check(
            (self.anchor is None) == (self.positive is None), "anchor and positive come together"
        )
        if self.negatives is not None:
            shape = (B, len(self.negatives))
            _check(
                self.negative_mask is not None and self.negative_mask.shape == shape,
                f"negative_mask must be bool[B, M] = {list(shape)}",
            )
