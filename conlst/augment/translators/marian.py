"""Translator: Marian (OPUS-MT), one small model for each pair of languages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from conlst.augment.translators.base import Translate, translators
from conlst.augment.translators.seq2seq import Loaded, Seq2Seq, load, translated
from conlst.errors import BadInput

Pair = Annotated[str, Field(pattern=r"^[^>]+>[^>]+$")]


@translators.register("marian")
class Marian(Seq2Seq):
    r"""Translate each pair of languages with a Marian model of its own.

        x = [label] w_1 .. w_n </s>,    y = argmax_y sum_t log p(y_t | y_<t, x)

    Symbols: x, int64[B, T], tokens of the texts; [label], the token of the target language, only
    where a model has several; y, int64[B, U], tokens of the translations; the argmax is sought by
    beam search, or with `temperature` each y_t is drawn from softmax(logits / temperature).

    Paper: Junczys-Dowmunt et al. 2018, "Marian: Fast Neural Machine Translation in C++"; models:
    Tiedemann and Thottingal 2020, "OPUS-MT - Building open translation services for the World".

    Departs: which pairs there are models for is said in `pairs`, since the hub would have to be
    asked. A model of several target languages without a label would choose one by itself, so that
    is an error. One model is in memory at a time. Translations have 3 tokens a source token + 10
    at most. A text that is longer than the model takes is not cut but left untranslated.

    Raises:
        BadInput: when a pair is first translated: there is no such model, it is of another kind,
            its weights are pickled, sentencepiece is not installed, or a label is missing.
        pydantic.ValidationError: beams and a temperature together, or a pair that is not
            "source>target".

    Examples:
        >>> translator = Marian(pairs=["fr>en", "en>fr"])
        >>> translator.knows("fr", "en"), translator.knows("de", "en"), translator.place("fr", "en")
        (True, False, 'Helsinki-NLP/opus-mt-fr-en')
    """

    module: ClassVar[str | None] = "sentencepiece"
    model: str = Field(
        "Helsinki-NLP/opus-mt-{source}-{target}",
        description="hub name, or a folder (starting with ./, ../ or /), with {source}, {target}",
    )
    pairs: list[Pair] = Field(
        min_length=1, description="pairs it is used for, such as fr>en; back needs one of its own"
    )
    labels: dict[Pair, str] = Field(
        default_factory=dict,
        description="pair -> target token (>>bul<<), for models of several target languages",
    )

    def places(self) -> list[str]:
        """One for each listed pair."""
        return [self.place(*pair.split(">")) for pair in self.pairs]

    def place(self, source: str, target: str) -> str:
        """The pattern with the pair's languages in it."""
        return self.model.replace("{source}", source).replace("{target}", target)

    def knows(self, source: str, target: str) -> bool:
        """Whether the pair is listed."""
        return f"{source}>{target}" in self.pairs

    @contextmanager
    def opened(self) -> Iterator[Translate]:
        """Ready to load the model of a pair when its first text comes."""
        held: dict[str, Loaded] = {}

        def translate(
            texts: Sequence[str], source: str, target: str, *, generator: torch.Generator
        ) -> list[str]:
            if not self.knows(source, target):
                raise ValueError(f"marian does not know {source!r} to {target!r}")
            pair, place = f"{source}>{target}", self.place(source, target)
            if pair not in held:
                held.clear()  # first, so that two are never in memory
                held[pair] = load(place, self.revision, "marian")
            label = self._label(pair, held[pair])
            labelled = [f"{label} {text}" if label and text.strip() else text for text in texts]
            return translated(self, held[pair], labelled, None, generator)

        yield translate

    def _label(self, pair: str, loaded: Loaded) -> str | None:
        label, known = self.labels.get(pair), loaded.tokenizer.supported_language_codes
        if label not in known if label else len(known) > 1:
            raise BadInput(
                f"translation model {loaded.name!r} needs one of its target languages as "
                f"labels[{pair!r}]; found {label!r}; allowed: {', '.join(known) or 'none'}"
            )
        return label
