"""Noticing, without any target label, that a stage broke the model."""

import torch
from torch import Tensor

VARIETY_LEFT = 0.5
"""A stage that halves the effective number of predicted classes beyond the first has collapsed."""
ONE_CLASS = 1.05
"""So has one that leaves hardly more than a single class where there was more before."""
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


def pool_symptoms(before: Tensor, after: Tensor, classes: int) -> list[str]:
    """Why a language's pool counts as collapsed; empty when it does not.

    Args:
        before: int64[N], its labels when the source stage ended.
        after: int64[N], the same rows now.
        classes: C.
    """
    was, now = effective_classes(before, classes), effective_classes(after, classes)
    less = now - 1 < VARIETY_LEFT * (was - 1) or now < ONE_CLASS
    if was < ONE_CLASS or not less:  # what was one class before did not collapse here
        return []
    largest = torch.bincount(after, minlength=classes).max() / max(len(after), 1)
    return [
        f"predictions fell from {was:.1f} to {now:.1f} effective classes of {classes} "
        f"(one class now takes {100 * float(largest):.0f} % of the pool)"
    ]


def source_symptoms(before: float, after: float) -> list[str]:
    """Why the loss of accuracy on watched source rows counts as a collapse; empty when not."""
    if after >= before - SOURCE_LOST:
        return []
    return [f"accuracy on the source fell from {100 * before:.1f} to {100 * after:.1f} %"]
