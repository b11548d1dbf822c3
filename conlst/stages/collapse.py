"""Noticing, without any target label, that a stage broke the model."""

import torch
from torch import Tensor

PERPLEXITY_LEFT = 0.5
"""A stage that halves the effective number of predicted classes is taken for a collapse."""
SOURCE_LOST = 0.15
"""So is one that loses more than this in accuracy on the source, where labels are known."""


def effective_classes(label: Tensor, classes: int) -> float:
    """exp(H) of the share of each predicted class: C when balanced, 1 when one class takes all.

    Examples:
        >>> round(effective_classes(torch.tensor([0, 0, 1, 1]), 3), 2)
        2.0
    """
    share = torch.bincount(label, minlength=classes).double() / max(len(label), 1)
    return float(torch.special.entr(share).sum().exp())


def symptoms(
    before: Tensor, after: Tensor, classes: int, source_before: float, source_after: float
) -> list[str]:
    """Why a stage counts as a collapse; empty when it does not.

    Args:
        before: int64[N], pool labels when the source stage ended.
        after: int64[N], the same rows now.
        classes: C.
        source_before: accuracy on held-out (or else training) source rows, then.
        source_after: the same, now.
    """
    told = []
    was, now = effective_classes(before, classes), effective_classes(after, classes)
    if now < PERPLEXITY_LEFT * was:
        largest = torch.bincount(after, minlength=classes).max() / max(len(after), 1)
        told.append(
            f"predictions fell from {was:.1f} to {now:.1f} effective classes of {classes} "
            f"(one class now takes {100 * float(largest):.0f} % of the pool)"
        )
    if source_after < source_before - SOURCE_LOST:
        told.append(
            f"accuracy on the source fell from {100 * source_before:.1f} "
            f"to {100 * source_after:.1f} %"
        )
    return told
