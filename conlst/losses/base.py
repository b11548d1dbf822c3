"""What a loss is: one value a row, unreduced."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from conlst.arrays import LossInput, Sizes
from conlst.registry import Registry, Strategy

COMPARED = frozenset({"clean", "embeddings", "attentions"})
"""Needs for which augmented rows are also encoded as they are."""


class Loss(Strategy):
    """Contract: `(x: LossInput) -> float[B]`, one value a row; train.py weighs and averages them.

    `needs` names the fields of `LossInput` it cannot do without, by these words:

    * "target", "complement", "confident", "features", "language" and "progress" by name;
    * "views": anchor and positive; "negatives": negatives and their mask;
    * "clean": clean_logits; "embeddings": embedding and clean_embedding; "attentions": attention
      and clean_attention of the layer that its field `layer` names;
    * "languages": at least two adapted languages in one model, beside `language`.

    A recipe that does not provide them is refused. A loss that learns (the parameters of a head of
    its own, say) overrides `build` in place of `__call__`: the `nn.Module` it returns is called,
    trained and saved in its stead.
    """

    compares_rows: ClassVar[bool] = False
    """Whether a row's value depends on the other rows of its batch."""

    def build(self, sizes: Sizes) -> Callable[[LossInput], Tensor]:
        """What is called in a run: the loss itself, or an `nn.Module` made for these sizes."""
        return self

    def __call__(self, x: LossInput) -> Tensor:
        """One value a row, float[B].

        Raises:
            TypeError: the loss learns: what `build` returns is to be called.
        """
        raise TypeError(f"{self.name}: call what build(sizes) returns")


class Readout:
    """A loss, or the module it builds, that reads probabilities off logits in a way of its own.

    The pseudo-label pass, the report and the predictions then read them in that way too.
    """

    def probabilities(self, logits_BC: Tensor, features_BD: Tensor) -> Tensor:
        """float[B, C], rows sum to 1; a row's are the same whatever rows stand beside it."""
        raise NotImplementedError


def readout_of(loss: Loss) -> Loss | None:
    """The loss that says how this one's logits become probabilities; None: softmax.

    It is the loss itself, or the one part of a sum that does and learns nothing of its own.

    Examples:
        >>> readout_of(losses.validate({"type": "cross_entropy"})) is None
        True
    """
    sizes = Sizes(2, 1, ("en", "sw"))
    if not isinstance(loss.build(sizes), Readout):
        return None
    for part in loss.walk():
        if isinstance(part, Loss) and part is not loss and isinstance(part, Readout):
            return part
    return loss


losses: Registry[Loss] = Registry("losses", Loss)
