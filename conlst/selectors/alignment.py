"""Distribution alignment: scale predictions so that their mean becomes the one wanted."""

from torch import Tensor

EPSILON = 1e-6
"""Is added to both means: a class that nobody has predicted divides nothing by 0."""


def aligned(probs_NC: Tensor, wanted_C: Tensor, seen_C: Tensor) -> Tensor:
    """q~_nc = q_nc * (wanted_c + EPSILON) / (seen_c + EPSILON), divided by its sum over c.

    Args:
        probs_NC: probabilities q, rows sum to 1.
        wanted_C: the mean that predictions ought to have.
        seen_C: the mean that they have.

    Examples:
        >>> import torch
        >>> aligned(torch.tensor([[0.6, 0.4]]), torch.tensor([0.5, 0.5]), torch.tensor([0.8, 0.2]))
        tensor([[0.2727, 0.7273]])
    """
    scaled_NC = probs_NC * ((wanted_C + EPSILON) / (seen_C + EPSILON))
    return (scaled_NC / scaled_NC.sum(1, keepdim=True)).to(probs_NC.dtype)
