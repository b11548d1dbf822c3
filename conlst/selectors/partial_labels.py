"""Another selector's rows with their labels, and for all others a set of classes it may be."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from conlst.arrays import Pool, Selection, Sizes
from conlst.errors import ConlstWarning
from conlst.selectors.base import Selector, selectors
from conlst.selectors.built import Built, Inner
from conlst.selectors.selections import cut, joined


@selectors.register("partial_labels")
class PartialLabels(Selector):
    r"""Keep a selector's rows with their labels, and every other row with its likeliest classes.

        y_n  = target of the selector,          w_n = its weight        for n in S
        y_nc = [ c in top-k of q_n ] / k,       w_n = tail_weight       for n not in S

    Symbols: S, the rows that `selector` keeps; q_n, row n of `pool.probs_NC`, float[N, C]; k,
    `candidates`; y, the target, float[N, C]: the classes where it is above 0 are the candidate set
    that the loss `partial_label` reads; w_n, float[N].

    Nothing of the pool is left out: where the model is unsure it still rules classes out. With 3
    classes and k = 2 that is argmin_c q_nc, the complementary label of CoNLST.

    Paper: Lei et al. 2022, "Uncertainty-Aware Cross-Lingual Transfer with Pseudo Partial Labels"
    (CLTP), whose candidate sets are the two likeliest classes.

    Departs: CLTP's published code leaves out a band of rows between the sure and the unsure, and
    freezes candidate sets with the labels; here the tail is all the rest, and candidate sets are
    drawn up anew every iteration: the selector inside is shown a history without them. A set of
    all classes says nothing, so with k >= C the tail is left out, and a warning says so.
    `tail_weight` is ours.

    Raises:
        pydantic.ValidationError: no selector is given, fewer than two candidates, or a weight
            outside (0, 1].

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> pool = pool_of([[0.95, 0.03, 0.02], [0.50, 0.10, 0.40]])
        >>> partial = PartialLabels.model_validate({"selector": {"type": "fixed"}})
        >>> partial(pool, generator=torch.Generator()).target_KC.tolist()
        [[1.0, 0.0, 0.0], [0.5, 0.0, 0.5]]
    """

    selector: Annotated[Selector, selectors] = Field(description="whose rows keep their labels")
    candidates: int = Field(2, ge=2, description="k: classes that each other row may be")
    tail_weight: float = Field(1.0, gt=0, le=1, description="how much those rows count")

    def build(self, sizes: Sizes) -> Built:
        return Built(self.combined, [self.selector.build(sizes)])

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        return self.combined([self.selector], pool, generator=generator)

    def combined(
        self, inner: Sequence[Inner], pool: Pool, *, generator: torch.Generator
    ) -> Selection:
        """The formula, over a selector that may have been built."""
        history = tuple(map(self._labelled, pool.history))
        kept = inner[0](replace(pool, history=history), generator=generator)
        return joined(pool, [kept, *self._tail(pool)])

    def _tail(self, pool: Pool) -> list[Selection]:
        """Every row of the pool with its candidate set, if sets of that size say anything."""
        N, C = pool.probs_NC.shape
        if self.candidates >= C:
            warnings.warn(
                f"partial_labels: a set of {self.candidates} candidates says nothing with {C} "
                f"classes, so only the rows that {self.selector.name} keeps are trained on",
                ConlstWarning,
                stacklevel=4,
            )
            return []
        order_NC = pool.probs_NC.argsort(dim=1, descending=True, stable=True)
        target_NC = torch.zeros_like(pool.probs_NC)
        target_NC.scatter_(1, order_NC[:, : self.candidates], 1 / self.candidates)
        return [Selection(torch.arange(N), target_NC, torch.full((N,), self.tail_weight))]

    def _labelled(self, selection: Selection) -> Selection:
        """Without the rows that had a candidate set."""
        candidate_KC = (selection.target_KC - 1 / self.candidates).abs() < 1e-6
        return cut(selection, candidate_KC.sum(1) != self.candidates)
