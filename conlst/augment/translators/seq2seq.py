"""How the neural translators load, batch and decode; each of them says only how it is addressed."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from conlst.augment.translators.base import Translator
from conlst.errors import BadInput
from conlst.hub import out_of_reach
from conlst.trust import refuse_unsafe


class Seq2Seq(Translator):
    """What mBART-50, M2M100, NLLB and Marian have in common: model, decoding, batches."""

    module: ClassVar[str | None] = None
    """What its tokenizer needs beside transformers."""

    model: str = Field(description="hub name, or a folder (starting with ./, ../ or /)")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    beams: int = Field(4, ge=1, description="hypotheses that beam search keeps; 1: greedy")
    temperature: float | None = Field(
        None, gt=0, description="sample at this temperature instead; null: the best hypothesis"
    )
    max_new_tokens: int = Field(
        256, ge=1, description="tokens of a translation at most; also at most 3 a source token + 10"
    )
    batch_tokens: int = Field(
        4096,
        ge=1,
        description="source tokens of a padded batch, over beams; less takes less memory",
    )

    @model_validator(mode="after")
    def _beams_or_sampling(self) -> "Seq2Seq":
        if self.temperature is not None and self.beams != 1:
            raise ValueError(f"sampling keeps no beams: found beams {self.beams}; set beams to 1")
        return self

    def places(self) -> list[str]:
        """Hub names or folders of all models that it may load."""
        return [self.model]

    def place(self, source: str, target: str) -> str:
        """Hub name or folder of the model for a pair."""
        return self.model

    def obstacle(self, source: str, target: str) -> str | None:
        """A module that is not installed, or a model that is known not to be there."""
        if self.module and not find_spec(self.module):
            return f"{self.module} is not installed: pip install {self.module}"
        place = self.place(source, target)
        if place.startswith((".", "/")) and not Path(place).is_dir():
            return f"there is no folder {place}"
        return out_of_reach(place, self.revision)

    def identity(self) -> str:
        """Model, revision, decoding; of a local folder also size and date of its files.

        Left out is what changes a translation by rounding at most: batches and the device.
        """
        return self.model_dump_json(exclude={"batch_tokens"}) + "".join(map(_stamp, self.places()))


def _stamp(model: str) -> str:
    """Tells that somebody put other weights into a local folder."""
    files = sorted(Path(model).glob("*")) if Path(model).is_dir() else []
    return "".join(f" {f.name} {f.stat().st_size} {f.stat().st_mtime_ns}" for f in files)


@dataclass(frozen=True)
class Loaded:
    """A model and its tokenizer in memory."""

    network: Any
    tokenizer: Any
    name: str

    def token_id(self, token: str) -> int:
        """The id of a language token.

        Raises:
            BadInput: the tokenizer has no such token, so this is a model of another kind.
        """
        id = self.tokenizer.convert_tokens_to_ids(token)
        if id is None or id == self.tokenizer.unk_token_id:
            raise BadInput(f"translation model {self.name!r} has no language token {token!r}")
        return int(id)

    @property
    def longest(self) -> int:
        """Tokens that it takes at most."""
        positions = getattr(self.network.config, "max_position_embeddings", 1024)
        return min(int(positions), int(self.tokenizer.model_max_length))


def load(name: str, revision: str | None, family: str) -> Loaded:
    """Load a sequence-to-sequence model: float32 on a CPU, bfloat16 on a GPU that computes in it.

    Args:
        name: hub name or folder; its weights are safetensors, as a pickle can execute code.
        revision: branch, tag or commit on the hub.
        family: the `model_type` that its configuration must have.

    Raises:
        BadInput: there is no such model, it is of another family, or it holds pickled weights only.
    """
    with _quiet(), _forked():  # weights are drawn before they are read
        try:
            return _from_pretrained(name, revision, family)
        except BadInput:
            raise
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, AssertionError) as error:
            first = str(error).strip().partition("\n")[0]
            raise BadInput(f"translation model {name!r} cannot be loaded: {first}") from error


def _from_pretrained(name: str, revision: str | None, family: str) -> Loaded:
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

    refuse_unsafe(name)
    where = {"revision": revision, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(name, **where)
    if config.model_type != family:
        raise BadInput(
            f"translation model {name!r} is of the family {config.model_type!r}; allowed: {family}"
        )
    cuda = torch.cuda.is_available()
    bf16 = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    network = AutoModelForSeq2SeqLM.from_pretrained(
        name, use_safetensors=True, dtype=torch.bfloat16 if bf16 else torch.float32, **where
    )
    # Many models bring a longest translation of their own, which would be counted beside ours.
    network.generation_config.max_length = None
    tokenizer = AutoTokenizer.from_pretrained(name, **where)
    return Loaded(network.eval().to("cuda" if cuda else "cpu"), tokenizer, name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Bars of loading weights, and advice to install more, are not for whoever waits for a run."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def translated(
    how: Seq2Seq,
    loaded: Loaded,
    texts: Sequence[str],
    first: int | None,
    generator: torch.Generator,
) -> list[str]:
    """Translate with a tokenizer that is set to the source language.

    Args:
        how: the decoding.
        loaded: the model.
        texts: blank ones, and those longer than the model takes, become "".
        first: id that each translation is made to begin with: the target language's token.
        generator: where sampling takes its seed from.
    """
    found = [""] * len(texts)
    ids = loaded.tokenizer(list(texts), verbose=False)["input_ids"] if texts else []
    fitting = [i for i, text in enumerate(texts) if text.strip() and len(ids[i]) <= loaded.longest]
    fitting.sort(key=lambda i: -len(ids[i]))  # what does not fit in memory fails at once
    with torch.inference_mode(), _chance(how, generator):
        for batch in _batches([len(ids[i]) for i in fitting], how.batch_tokens // how.beams):
            rows = fitting[batch]
            made_BT = _generate(how, loaded, [torch.tensor(ids[i]) for i in rows], first)
            own_BT = made_BT[:, 1 if first is None else 2 :]  # less decoder's start and language
            decoded = loaded.tokenizer.batch_decode(own_BT, skip_special_tokens=True)
            for i, text in zip(rows, decoded, strict=True):
                found[i] = text.strip()
    return found


def _batches(lengths: list[int], budget: int) -> Iterator[slice]:
    """Neighbours, longest first, that make no padded batch of more than `budget` tokens."""
    start = 0
    while start < len(lengths):
        end = start + max(1, budget // lengths[start])
        yield slice(start, end)
        start = end


def _generate(how: Seq2Seq, loaded: Loaded, ids: list[Tensor], first: int | None) -> Tensor:
    network, longest = loaded.network, max(len(row) for row in ids)
    sampling = {"temperature": how.temperature, "top_k": 0, "top_p": 1.0}
    made_BT: Tensor = network.generate(
        input_ids=pad_sequence(ids, True, loaded.tokenizer.pad_token_id).to(network.device),
        attention_mask=pad_sequence([torch.ones_like(row) for row in ids], True).to(network.device),
        forced_bos_token_id=first,
        max_new_tokens=min(how.max_new_tokens, 3 * longest + 10, loaded.longest - 1),
        num_beams=how.beams,
        do_sample=how.temperature is not None,
        **(sampling if how.temperature is not None else {}),
    )
    return made_BT


@contextlib.contextmanager
def _chance(how: Seq2Seq, generator: torch.Generator) -> Iterator[None]:
    """`generate` takes no generator: seed the global one from ours, and leave it as it was."""
    if how.temperature is None:
        yield
        return
    with _forked():
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield


def _forked() -> AbstractContextManager[None]:
    """Whatever draws from torch's own chance inside, those outside do not notice."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    return torch.random.fork_rng(devices)
