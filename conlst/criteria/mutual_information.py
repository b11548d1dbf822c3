"""Sure of every row, and not of the same class everywhere."""

from torch.special import entr

from conlst.arrays import Pool
from conlst.criteria.base import Criterion, criteria


@criteria.register("mutual_information")
class MutualInformation(Criterion):
    r"""Prefer the model whose predictions tell most about the row they were made for.

        value = H( (1/N) sum_n p_n ) - (1/N) sum_n H(p_n)
        H(p)  = - sum_c p_c log p_c,    0 log 0 = 0

    Symbols: p_n, `pool.probs_NC` float[N, C], probabilities of row n; N rows of the pool; C
    classes; value, in nats, in [0, log C]: log C when every row is certain and all classes are
    predicted equally often; 0 when all rows are predicted alike; NaN for an empty pool.

    It is the mutual information of a row and its predicted class. Unlike `entropy` it does not
    praise a model that has collapsed to one class; it does assume that the classes of the pool are
    about equally frequent.

    Paper: Shi & Sha 2012, "Information-Theoretical Learning of Discriminative Clusters for
    Unsupervised Domain Adaptation"; IM in Musgrave et al. 2022, "Three New Validators", and in
    pytorch-adapt.

    Departs: nothing.

    Raises:
        nothing.

    Examples:
        >>> from conlst.testing import pool_of
        >>> apart, alike = pool_of([[1.0, 0.0], [0.0, 1.0]]), pool_of([[1.0, 0.0], [1.0, 0.0]])
        >>> criterion = MutualInformation()
        >>> [round(criterion(p, before=None, source_accuracy=0.8), 4) for p in (apart, alike)]
        [0.6931, 0.0]
    """

    def __call__(self, pool: Pool, *, before: Pool | None, source_accuracy: float) -> float:
        probs_NC = pool.probs_NC.double()
        return float(entr(probs_NC.mean(0)).sum() - entr(probs_NC).sum(1).mean())
