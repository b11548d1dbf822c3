"""Translator: M2M100, any of 100 languages into any other."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from conlst.augment.translators.base import translators
from conlst.augment.translators.codes import M2M100 as LANGUAGES
from conlst.augment.translators.multilingual import Multilingual


@translators.register("m2m100")
class M2M100(Multilingual):
    r"""Translate with M2M100: the source's token before the text, the target's before the answer.

        x = [source] w_1 .. w_n </s>,    y = argmax_y sum_t log p(y_t | y_<t, x),    y_1 = [target]

    Symbols: x, int64[B, T], tokens of the texts; [source] and [target], language tokens such as
    __fr__; y, int64[B, U], tokens of the translations; the argmax is sought by beam search, or with
    `temperature` each y_t is drawn from softmax(logits / temperature).

    Paper: Fan et al. 2021, "Beyond English-Centric Multilingual Machine Translation". All of XNLI's
    15 languages are among its 100, so it steps in where mBART-50 knows no Greek and no Bulgarian.

    Departs: the source language is set for each call and its token asserted, as the tokenizer
    silently takes English where none is set. Translations have 3 tokens a source token + 10 at
    most. A text that is longer than the model takes is not cut but left untranslated.

    Raises:
        BadInput: when opened: there is no such model, it is of another kind, its weights are
            pickled, or sentencepiece is not installed.
        pydantic.ValidationError: beams and a temperature together.

    Examples:
        >>> translator = M2M100(beams=1, temperature=0.7)
        >>> translator.knows("el", "bg"), translator.knows("fr", "xx"), translator.token("fr")
        (True, False, '__fr__')
    """

    family: ClassVar[str] = "m2m_100"
    languages: ClassVar[Mapping[str, str]] = LANGUAGES
    module: ClassVar[str | None] = "sentencepiece"
    model: str = Field(
        "facebook/m2m100_418M", description="hub name, or a folder (starting with ./, ../ or /)"
    )

    @staticmethod
    def token(name: str) -> str:
        """The language's name between underscores."""
        return f"__{name}__"
