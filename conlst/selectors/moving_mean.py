"""A mean over the steps that forgets slowly: what online selectors remember."""

import torch
from torch import Tensor, nn


class MovingMean(nn.Module):
    """m <- momentum * m + (1 - momentum) * mean of this step's rows, from a given m on.

    Examples:
        >>> mean = MovingMean(torch.tensor(0.5), momentum=0.9)
        >>> mean(torch.tensor([1.0, 0.8])), mean(torch.tensor([]))
        (tensor(0.5400), tensor(0.5400))
    """

    mean: Tensor

    def __init__(self, start: Tensor, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", start)

    @torch.no_grad()
    def forward(self, rows: Tensor) -> Tensor:
        """Take in the rows of a step, float[B, ...], and give the mean as it is now.

        A step without rows leaves it as it was: the mean of nothing would be NaN for ever.
        """
        if len(rows):
            now = rows.to(self.mean.dtype).mean(0)
            self.mean.copy_(self.momentum * self.mean + (1 - self.momentum) * now)
        return self.mean.clone()
