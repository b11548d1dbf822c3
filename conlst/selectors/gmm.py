"""Two bell curves over the losses: keep what belongs to the lower one."""

import random
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from conlst.arrays import Pool, Selection
from conlst.selectors.base import Selector, selectors

LEAST_VARIANCE = 5e-4
"""Added to the variance of both components, as in the code of DivideMix."""
LEAST_SPAN = 1e-6
"""Losses that differ by no more differ by rounding alone."""


@selectors.register("gmm")
class GMM(Selector):
    r"""Keep the rows that belong to the low-loss component of a two-component Gaussian mixture.

        l_n    = -ln max_c q_nc,    x_n = ( l_n - min l ) / ( max l - min l )
        p(x)   = w_low Normal(x; mu_low, v_low) + w_high Normal(x; mu_high, v_high)
        keep_n = [ P(low | x_n) >= posterior and x_n < mu_high ]

    Symbols: q_nc, `pool.probs_NC` float[N, C]; x_n, float[N], the loss scaled to 0 .. 1; w, mu, v,
    weights, means and variances of the mixture, fitted by EM, mu_low < mu_high. A kept row has
    weight 1 and the one-hot target of argmax_c q_nc.

    Paper: Li et al. 2020, "DivideMix: Learning with Noisy Labels as Semi-supervised Learning",
    section 3.1; the mixture goes back to Arazo et al. 2019.

    Departs: DivideMix has given labels and two networks that split the data for each other; here
    the label is the model's own argmax, so that the loss is -ln max_c q_nc and never above ln C. EM
    runs until it converges (its code: 10 steps). The posterior alone is not monotone: where the low
    component is the wider one it claims the very largest losses again, so a row beyond mu_high is
    never kept. Where the losses cannot be told apart, which is so for fewer than two rows and where
    all are equal, nothing is kept: DivideMix divides by 0 there.

    Raises:
        pydantic.ValidationError: the posterior lies outside (0, 1].

    Examples:
        >>> import torch
        >>> from conlst.testing import pool_of
        >>> sure, unsure = [[0.98, 0.02], [0.03, 0.97], [0.95, 0.05]], [[0.55, 0.45], [0.4, 0.6]]
        >>> gmm = GMM(posterior=0.5)
        >>> gmm(pool_of(sure + unsure), generator=torch.Generator()).index.tolist()
        [0, 1, 2]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"pool"})
    posterior: float = Field(0.5, gt=0, le=1, description="least posterior of the low component")

    def __call__(self, pool: Pool, *, generator: torch.Generator) -> Selection:
        clean_N = self.clean(pool, generator=generator)
        return Selection.hard(pool, clean_N >= self.posterior)

    def clean(self, pool: Pool, *, generator: torch.Generator) -> Tensor:
        """P(low | x_n), float[N]; 0 beyond mu_high and where the losses cannot be told apart."""
        loss_N = -pool.confidence.double().log()
        span = float(loss_N.max() - loss_N.min()) if len(loss_N) else 0.0
        if span <= LEAST_SPAN:
            return torch.zeros_like(loss_N)
        x_N1 = ((loss_N - loss_N.min()) / span)[:, None].numpy()
        seed = int(torch.randint(2**31, (), generator=generator))
        mixture = _mixture(seed).fit(x_N1)
        low, high = mixture.means_[:, 0].argsort()
        clean_N = torch.from_numpy(mixture.predict_proba(x_N1)[:, low])
        return clean_N.masked_fill(torch.from_numpy(x_N1[:, 0] >= mixture.means_[high, 0]), 0)


def _mixture(seed: int) -> Any:
    state = random.getstate()
    from sklearn.mixture import GaussianMixture

    random.setstate(state)  # its first import draws a number
    return GaussianMixture(2, reg_covar=LEAST_VARIANCE, random_state=seed)
