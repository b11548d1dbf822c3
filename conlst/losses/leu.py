"""A head that learns how far each row's logits are to be trusted."""

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from conlst.arrays import LossInput, Sizes
from conlst.losses.base import Loss, Readout, losses
from conlst.losses.cross_entropy import cross_entropy


@losses.register("leu")
class LEU(Loss):
    r"""Learn an uncertainty of every row, and read probabilities through it.

        L_b = - sum_c target_bc log p_bc,    p_b = 1/M sum_m softmax(z_b + e^{s_b} eps_m)    sampled
        L_b = e^{-s_b} CE_b + s_b / 2,       p_b = softmax(e^{-s_b} z_b)                  regression
        s_b = v.x_b + v_0,    CE_b = - sum_c target_bc log softmax(z_b)_c

    Symbols: z, `logits` float[B, C]; target, float[B, C], rows sum to 1; x, `features` float[B, D];
    s, float[B]; v, float[D], and v_0, one number: the head that is learnt, 0 at first; eps,
    float[M, C], standard normal noise, M being `draws` in training and `reading_draws` where
    probabilities are read off; L, float[B], in nats.

    Paper: Xu et al. 2021, "Boosting Cross-Lingual Transfer via Self-Learning with Uncertainty
    Estimation", LEU, with 10 and 20 draws, after Kendall and Gal 2017 (sampled) and Kendall et al.
    2018 (regression).

    Departs: the noise is drawn once, from a fixed seed, and stays: a row's value is then a function
    of the row alone, in training and in reading. So few draws that stay must be balanced, or they
    would favour some class for ever: each is used with both signs and shifted through all classes,
    and together they have the variance of normal noise; M is therefore rounded up to a multiple of
    2C. The head starts at 0 (all rows equally sure), not at random.

    Raises:
        pydantic.ValidationError: an unknown form, or fewer than one draw.
        TypeError: it is called without being built.
        ValueError: what was built is given an input without target or features.

    Examples:
        >>> import torch
        >>> x = LossInput(
        ...     torch.tensor([[2.0, 0.0]]), target=torch.eye(2)[:1], features=torch.ones(1, 4)
        ... )
        >>> built = LEU().build(Sizes(classes=2, features=4, languages=("en",)))
        >>> built(x).detach(), built.probabilities(x.logits, x.features).detach()
        (tensor([0.2117]), tensor([[0.8150, 0.1850]]))
    """

    needs: ClassVar[frozenset[str]] = frozenset({"target", "features"})
    form: Literal["sampled", "regression"] = Field(
        "sampled", description="noise of that size on the logits, or logits divided by it"
    )
    draws: int = Field(10, ge=1, description="noises a row in training, at least; sampled only")
    reading_draws: int = Field(20, ge=1, description="the same where probabilities are read off")

    def build(self, sizes: Sizes) -> nn.Module:
        if self.form == "regression":
            return Regression(sizes)
        return Sampled(sizes, self.draws, self.reading_draws)


class Heteroscedastic(nn.Module, Readout):
    """The head, which both forms learn."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.head = nn.utils.skip_init(nn.Linear, sizes.features, 1)  # draws nothing
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: LossInput) -> Tensor:
        if x.target is None or x.features is None:
            raise ValueError("leu needs target, float[B, C], and features, float[B, D]")
        return self.loss(x.logits, x.target, self.head(x.features))

    def loss(self, logits: Tensor, target: Tensor, s_B1: Tensor) -> Tensor:
        raise NotImplementedError


class Sampled(Heteroscedastic):
    """Logits with noise of size e^s."""

    noise_MC: Tensor
    reading_noise_MC: Tensor

    def __init__(self, sizes: Sizes, draws: int, reading_draws: int) -> None:
        super().__init__(sizes)
        self.register_buffer("noise_MC", balanced_noise(draws, sizes.classes))
        self.register_buffer("reading_noise_MC", balanced_noise(reading_draws, sizes.classes))

    def loss(self, logits: Tensor, target: Tensor, s_B1: Tensor) -> Tensor:
        log_p_BMC = _noised(logits, s_B1, self.noise_MC).log_softmax(2)
        log_mean_BC = log_p_BMC.logsumexp(1) - math.log(log_p_BMC.shape[1])
        return -(target * log_mean_BC).sum(1)

    def probabilities(self, logits_BC: Tensor, features_BD: Tensor) -> Tensor:
        noised_BMC = _noised(logits_BC, self.head(features_BD), self.reading_noise_MC)
        return noised_BMC.softmax(2).mean(1)


class Regression(Heteroscedastic):
    """Logits divided by e^s, which costs s / 2."""

    def loss(self, logits: Tensor, target: Tensor, s_B1: Tensor) -> Tensor:
        s_B = s_B1[:, 0]
        return cross_entropy(logits, target) * (-s_B).exp() + s_B / 2

    def probabilities(self, logits_BC: Tensor, features_BD: Tensor) -> Tensor:
        s_B1: Tensor = self.head(features_BD)
        return (logits_BC * (-s_B1).exp()).softmax(1)


def balanced_noise(draws: int, C: int) -> Tensor:
    """Draw standard normal noise, the same every time, that treats all classes and signs alike.

    Softmax does not see a shift of all classes, so what is scaled is each draw without its mean.

    Examples:
        >>> balanced_noise(1, 2)
        tensor([[ 0.7071, -0.7071],
                [-0.7071,  0.7071],
                [-0.7071,  0.7071],
                [ 0.7071, -0.7071]])
    """
    n = math.ceil(draws / (2 * C))
    drawn_nC = torch.randn(n, C, generator=torch.Generator().manual_seed(0))
    drawn_nC -= drawn_nC.mean(1, keepdim=True)
    drawn_nC *= (n * (C - 1) / drawn_nC.square().sum()).sqrt()
    shifted_MC = torch.cat([drawn_nC.roll(c, 1) for c in range(C)])
    return torch.cat([shifted_MC, -shifted_MC])


def _noised(logits: Tensor, s_B1: Tensor, noise_MC: Tensor) -> Tensor:
    return logits[:, None] + s_B1.exp()[:, :, None] * noise_MC
