"""Translator: NLLB-200, any of 200 languages into any other."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from conlst.augment.translators.base import translators
from conlst.augment.translators.codes import NLLB
from conlst.augment.translators.multilingual import Multilingual


@translators.register("nllb")
class Nllb(Multilingual):
    r"""Translate with NLLB-200: the source's code before the text, the target's before the answer.

        x = [source] w_1 .. w_n </s>,    y = argmax_y sum_t log p(y_t | y_<t, x),    y_1 = [target]

    Symbols: x, int64[B, T], tokens of the texts; [source] and [target], FLORES-200 codes such as
    fra_Latn; y, int64[B, U], tokens of the translations; the argmax is sought by beam search, or
    with `temperature` each y_t is drawn from softmax(logits / temperature).

    Paper: NLLB Team 2022, "No Language Left Behind". Its weights are licensed CC BY-NC 4.0, so it
    is no default here.

    Departs: a language with two scripts goes to the one that most of its text is in; zh-Hant and
    zh-Hans are told apart. The code stands before the text, as the paper has it; releases of
    transformers before 4.31 put it behind. Translations have 3 tokens a source token + 10 at most
    (the model's own setting once cut at 20). A text that is longer than the model takes is not cut
    but left untranslated.

    Raises:
        BadInput: when opened: there is no such model, it is of another kind, or its weights are
            pickled.
        pydantic.ValidationError: beams and a temperature together.

    Examples:
        >>> translator = Nllb()
        >>> translator.knows("sw", "en"), translator.knows("zh", "zh-Hans"), translator.beams
        (True, False, 4)
    """

    family: ClassVar[str] = "m2m_100"
    languages: ClassVar[Mapping[str, str]] = NLLB
    model: str = Field(
        "facebook/nllb-200-distilled-600M",
        description="hub name, or a folder (starting with ./, ../ or /)",
    )

    @staticmethod
    def token(name: str) -> str:
        """The FLORES-200 code itself."""
        return name
