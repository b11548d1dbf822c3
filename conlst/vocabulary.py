"""Training with only those rows of the token embedding that can occur.

Of the 250,002 pieces that XLM-R knows, a run meets some tens of thousands. The others have gradient
0 and moments 0 at every step, so AdamW does nothing but decay them, and that needs no steps:

    w_v <- w_v * prod_t (1 - rate_t * decay)    for every absent v, over the steps t of a stage

While a stage trains, the model therefore holds a small matrix in the place of the whole one, and
the absent rows lie in a file. Ids stay the tokenizer's everywhere: the small embedding itself looks
up where their rows are, so that encoders which count positions by the padding id notice nothing.
When the stage ends, however it ends, the whole matrix is back: what is labelled, saved and exported
is the full model, and no checkpoint knows of any of this.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from conlst.arrays import Rows, Tokens
from conlst.augment import Augmenter, BackTranslation, Masking
from conlst.errors import ConlstWarning
from conlst.recipe import Optimisation

WORTH_IT = 0.5
"""Share of the rows that must be absent; below, as with a vocabulary cut to its languages already,
there is little to gain."""
AT_ONCE = 16384  # rows on their way to the file or back, so that no second matrix is ever in memory


def occurring(tables: Iterable[Tokens], tokenizer: PreTrainedTokenizerBase, pieces: int) -> Tensor:
    """The ids that may enter the encoder: all in the tables, the special ones, the mask token.

    Args:
        tables: every text that is trained on or labelled while training.
        tokenizer: theirs.
        pieces: V, rows of the embedding.

    Returns:
        bool[V].
    """
    occurring_V = torch.zeros(pieces, dtype=torch.bool)
    occurring_V[tokenizer.all_special_ids] = True
    for tokens in tables:
        for ids in tokens.ids.split(1 << 20):  # a table may be larger than memory
            occurring_V[ids.long()] = True
    return occurring_V


def new_texts(augment: Augmenter | None, rows: Rows) -> list[Rows] | None:
    """The texts that an augmenter makes of `rows`, if they can be listed beforehand.

    Masking puts in the mask token; what works on states and features meets no token. The texts of
    back-translation depend on no chance, and `prepare` has made them. All other augmenters of texts
    (synonyms, code-switching, word dropout), and other people's of texts and tokens, may bring
    anything; so may back-translation before or behind a second augmenter of texts.

    Returns:
        Nothing to add is an empty list; None where it cannot be said.
    """
    if augment is None:
        return []
    parts = [part for part in augment.walk() if isinstance(part, Augmenter)]
    of_texts = [part for part in parts if part.level == "rows"]
    of_tokens = [part for part in parts if part.level == "tokens"]
    if len(of_texts) > 1 or not all(type(part) is BackTranslation for part in of_texts):
        return None
    if not all(type(part) is Masking for part in of_tokens):
        return None
    return [part.rows(rows, generator=torch.Generator())[0] for part in of_texts]


class CompactEmbedding(nn.Embedding):
    """Some rows of an embedding, looked up by the ids that they have in the whole one.

    Args:
        whole: float[V, D].
        held_V: bool[V], the rows to hold, the padding row among them.

    Examples:
        >>> whole = nn.Embedding(5, 2)
        >>> some = CompactEmbedding(whole, torch.tensor([True, False, False, True, False]))
        >>> bool((some(torch.tensor([[3, 0]])) == whole(torch.tensor([[3, 0]]))).all())
        True
        >>> some.weight.shape
        torch.Size([2, 2])
    """

    def __init__(self, whole: nn.Embedding, held_V: Tensor) -> None:
        held = held_V.nonzero().flatten()
        place_V = torch.full((len(held_V),), -1)  # of an absent row: the lookup refuses it
        place_V[held] = torch.arange(len(held))
        padding = whole.padding_idx
        super().__init__(
            len(held),
            whole.embedding_dim,
            None if padding is None else int(place_V[padding]),
            _weight=whole.weight.detach()[held.to(whole.weight.device)],
        )
        self.place_V: Tensor
        self.register_buffer("place_V", place_V.to(whole.weight.device), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """float[..., D]: the rows of the ids."""
        return super().forward(self.place_V[ids])


class Absent:
    """The rows that are not trained: how many, where they wait, and what decay leaves of them."""

    def __init__(self, weight_VD: Tensor, absent: Tensor, file: IO[bytes]) -> None:
        self.index, self.file, self.left = absent, file, 1.0
        self.trained: Tensor | None = None
        """The rows that stand beside them in the model."""
        for rows in absent.split(AT_ONCE):
            weight_VD[rows.to(weight_VD.device)].cpu().numpy().tofile(file)

    def decay(self, optimizer: torch.optim.Optimizer) -> None:
        """Take part in a step of AdamW, before its rates move on."""
        for group in optimizer.param_groups:
            if any(parameter is self.trained for parameter in group["params"]):
                self.left *= 1 - group["lr"] * group["weight_decay"]

    def state_dict(self) -> dict[str, float]:
        """The rows themselves are those of the weights that the stage began with."""
        return {"left": self.left}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.left = state["left"]

    def return_to(self, weight_VD: Tensor) -> None:
        """Put them in their places."""
        self.file.seek(0)
        D = weight_VD.shape[1]
        for rows in self.index.split(AT_ONCE):
            flat = np.fromfile(self.file, dtype=np.float32, count=len(rows) * D)
            values = torch.from_numpy(flat).view(len(rows), D).mul_(self.left)
            weight_VD[rows.to(weight_VD.device)] = values.to(weight_VD.device)


@contextmanager
def compacted(
    network: PreTrainedModel, occurring_V: Callable[[], Tensor | None], how: Optimisation
) -> Iterator[Absent | None]:
    """Let a network hold only the embedding rows that can occur, and all of them again at the end.

    Nothing is taken out where that would not be exact or not worth it: what occurs is unknown;
    fewer than half of the rows are absent; the matrix is frozen, or shared with another layer;
    Adam adds decay to the gradient, so that it moves absent rows by their moments. Nor where the
    absent rows find no room on disk.

    Args:
        network: trained inside; its embedding is another object inside and afterwards.
        occurring_V: asked once, for bool[V] (see `occurring`), or None where it cannot be said.
        how: the optimiser and its decay.

    Yields:
        The absent rows, which must be told of every step of the optimiser (`decay`); None where
        the whole matrix is trained.
    """
    whole: Any = network.get_input_embeddings()
    held_V = occurring_V() if _allows_it(network, how) else None
    if held_V is not None and whole.padding_idx is not None:
        held_V[whole.padding_idx] = True
    if held_V is None or int(held_V.sum()) > (1 - WORTH_IT) * len(held_V):
        yield None
        return
    with tempfile.TemporaryFile() as file:
        try:
            absent = Absent(whole.weight.detach(), (~held_V).nonzero().flatten(), file)
        except OSError as error:
            warnings.warn(
                f"no room for the embedding rows that do not occur: {error} (TMPDIR names another "
                "place); all are trained, which takes longer and comes to the same",
                ConlstWarning,
                stacklevel=3,
            )
            yield None
            return
        some = CompactEmbedding(whole, held_V)
        absent.trained = some.weight
        network.set_input_embeddings(some)
        shape, whole.weight = whole.weight.shape, None  # its memory is free while training
        try:
            yield absent
        finally:
            weight_VD = some.weight.new_empty(shape).detach()
            absent.return_to(weight_VD)
            weight_VD[held_V.to(weight_VD.device)] = some.weight.detach()
            whole.weight = nn.Parameter(weight_VD)
            network.set_input_embeddings(whole)


def _allows_it(network: PreTrainedModel, how: Optimisation) -> bool:
    """Whether absent rows stay put but for decay, and are all that the matrix is for."""
    whole = network.get_input_embeddings()
    if type(whole) is not nn.Embedding or not whole.weight.requires_grad:
        return False
    if whole.weight.dtype != torch.float32:  # masters are; and so the file is written
        return False
    uses = sum(p is whole.weight for _, p in network.named_parameters(remove_duplicate=False))
    return uses == 1 and (how.optimizer == "adamw" or how.weight_decay == 0)
