"""How far one distribution is from another."""

import torch
from torch import Tensor


def kl(log_p_BC: Tensor, log_q_BC: Tensor) -> Tensor:
    """Compute KL(p || q) of each row, float[B], in nats; a class with p = 0 adds nothing.

    Examples:
        >>> p, q = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
        >>> kl(p.log(), q.log())
        tensor([0.6931])
    """
    least = torch.finfo(log_p_BC.dtype).min  # 0 * -inf would be NaN
    return (log_p_BC.exp() * (log_p_BC.clamp(min=least) - log_q_BC)).sum(1)
