"""What a loss is: one value a row, unreduced."""

from abc import abstractmethod

from torch import Tensor

from conlst.arrays import LossInput
from conlst.registry import Registry, Strategy


class Loss(Strategy):
    """Contract: `(x: LossInput) -> float[B]`, one value a row; train.py weighs and averages them.

    `needs` names the fields of `LossInput` it cannot do without: "target", "complement", "views"
    (anchor and positive), "negatives". A recipe that does not provide them is refused.
    """

    @abstractmethod
    def __call__(self, x: LossInput) -> Tensor: ...


losses: Registry[Loss] = Registry("losses", Loss)
