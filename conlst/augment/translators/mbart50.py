"""Translator: mBART-50, any of 52 languages into any other."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from conlst.augment.translators.base import translators
from conlst.augment.translators.codes import MBART50
from conlst.augment.translators.multilingual import Multilingual


@translators.register("mbart50")
class MBart50(Multilingual):
    r"""Translate with mBART-50: the source's code before the text, the target's before the answer.

        x = [source] w_1 .. w_n </s>,    y = argmax_y sum_t log p(y_t | y_<t, x),    y_1 = [target]

    Symbols: x, int64[B, T], tokens of the texts; [source] and [target], language tokens such as
    fr_XX; y, int64[B, U], tokens of the translations; the argmax is sought by beam search, or with
    `temperature` each y_t is drawn from softmax(logits / temperature).

    Paper: Tang et al. 2020, "Multilingual Translation with Extensible Multilingual Pretraining and
    Finetuning"; Li et al. 2024, CoNLST, which back-translates with mBART.

    Departs: Greek and Bulgarian are not among the 52 languages (Li et al. say that mBART lacks
    some of XNLI's); let another translator follow in the list. Translations have 3 tokens a
    source token + 10 at most, against endless repetition. A text that is longer than the model
    takes is not cut but left untranslated.

    Raises:
        BadInput: when opened: there is no such model, it is of another kind, or its weights are
            pickled.
        pydantic.ValidationError: beams and a temperature together.

    Examples:
        >>> translator = MBart50(beams=5)
        >>> translator.knows("fr", "en"), translator.knows("el", "en"), translator.token("fr_XX")
        (True, False, 'fr_XX')
    """

    family: ClassVar[str] = "mbart"
    languages: ClassVar[Mapping[str, str]] = MBART50
    model: str = Field(
        "facebook/mbart-large-50-many-to-many-mmt",
        description="hub name, or a folder (starting with ./, ../ or /)",
    )

    @staticmethod
    def token(name: str) -> str:
        """The language's own name."""
        return name
