"""What a complementary labeller and a negative sampler are."""

from abc import abstractmethod
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import torch
from pydantic import Field, field_validator
from torch import Tensor

from conlst.arrays import Pool
from conlst.registry import Registry, Strategy


class ComplementaryLabeller(Strategy):
    """Contract: `(pool, *, generator) -> bool[N, C]`, the classes a row is held NOT to be.

    The row's own pseudo-label (argmax) is never among them. A row without any is no anchor. `needs`
    may hold "passes": stochastic passes in `pool.probs_PNC`, as many as its field `passes` says.
    """

    @abstractmethod
    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Tensor: ...


labellers: Registry[ComplementaryLabeller] = Registry("labellers", ComplementaryLabeller)


class Drawer(Protocol):
    """What the stage draws with: a sampler that has seen the pool."""

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """Rows of the pool for each anchor, int64[B, K]; -1 fills empty places."""
        ...


@runtime_checkable
class Memory(Protocol):
    """A drawer whose negatives are outputs it remembers, not rows to be encoded anew."""

    def recall(self, rows_M: Tensor) -> Tensor:
        """The remembered contrastive outputs of these rows, float[M, D], without gradient."""
        ...

    def remember(self, rows_B: Tensor, outputs_BD: Tensor) -> None:
        """Keep the newest contrastive outputs of these rows."""
        ...

    def state_dict(self) -> dict[str, Tensor | None]:
        """What is remembered, to be put aside with a run."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember what `state_dict` told, and nothing else."""
        ...


Weights = dict[str, Annotated[float, Field(ge=0)]]
Languages = Literal["all", "own", "other"] | Weights


class NegativeSampler(Strategy):
    """Contract: `(pool, anchors_B, complement_B, *, generator) -> int64[B, K]`, rows of the pool.

    For anchor b they are confident rows whose pseudo-label is `complement_B[b]`, in one of the
    `languages`, never a row of the anchor's own group (a translation of it), without repeats within
    a row; -1 fills the places for which there is none.

    With weights, the language of each place is drawn by weight among those that still have a row to
    give. A language of the pool without a weight has weight 0; other languages may have one too.
    """

    count: int = Field(16, ge=1, description="K: negatives an anchor is given")
    share: Literal["class", "anchor"] = Field(
        "class",
        description="class: anchors of one batch with the same complementary label share one draw, "
        "so that at most C*K negatives are encoded; anchor: each has its own (B*K)",
    )
    languages: Languages = Field(
        "all",
        description="of a pool of several languages, where negatives come from: any of them, the "
        "anchor's own, the others, or a weight for each language by its code",
    )

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Several languages, where negatives are to come from others than the anchor's own."""
        alone = self.languages in ("all", "own")
        return frozenset() if alone else frozenset({"languages"})

    @field_validator("languages")
    @classmethod
    def _some_weight(cls, languages: Languages) -> Languages:
        if isinstance(languages, dict) and not any(languages.values()):
            raise ValueError("weights need a number above 0, or there would be no negatives")
        return languages

    def build(self, pool: Pool) -> Drawer:
        """What is drawn with during a stage on this pool: the sampler itself, or its indexes."""
        return self

    @abstractmethod
    def __call__(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor: ...

    def draw(
        self, pool: Pool, anchors_B: Tensor, complement_B: Tensor, *, generator: torch.Generator
    ) -> Tensor:
        """What the stage calls: the sampler, once for those who share a draw, or for each anchor.

        Shared draws lose only the independence between the anchors of one batch; a shared row that
        is a translation of some anchor is struck out (-1) for that anchor.
        """
        first_U, who_B = self.sharing(pool, anchors_B, complement_B)
        rows_UK = self(pool, anchors_B[first_U], complement_B[first_U], generator=generator)
        return without_own(pool, anchors_B, rows_UK[who_B])

    def sharing(self, pool: Pool, anchors_B: Tensor, complement_B: Tensor) -> tuple[Tensor, Tensor]:
        """Who draws for whom: anchors with one complementary label and one choice of languages.

        Returns:
            The place in the batch of who draws, int64[U]; and which of the U draws each anchor
            takes, int64[B].
        """
        everyone_B = torch.arange(len(anchors_B))
        if self.share == "anchor":
            return everyone_B, everyone_B
        key_B = complement_B
        if self.languages in ("own", "other"):
            key_B = complement_B * len(pool.languages) + pool.language[anchors_B]
        key_U, who_B = key_B.unique(return_inverse=True)
        first_U = everyone_B.new_full((len(key_U),), len(anchors_B))
        return first_U.scatter_reduce(0, who_B, everyone_B, "amin"), who_B


def without_own(pool: Pool, anchors_B: Tensor, rows_BK: Tensor) -> Tensor:
    """The rows with -1 in the place of every translation of the anchor."""
    own_BK = pool.group[rows_BK.clamp(min=0)] == pool.group[anchors_B][:, None]
    return rows_BK.masked_fill(own_BK, -1)


negatives: Registry[NegativeSampler] = Registry("negatives", NegativeSampler)
