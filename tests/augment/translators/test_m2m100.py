import pytest

from conlst.augment.translators import M2M100
from conlst.augment.translators.codes import M2M100 as LANGUAGES
from conlst.testing import check
from tests.augment.translators.slow import TEXTS, assert_greedy, assert_tokens, seeded


@pytest.mark.parametrize("changed", [{"beams": 1}, {"beams": 3}, {"beams": 1, "temperature": 0.8}])
def test_it_keeps_the_contract(tiny_m2m100, changed):
    check(M2M100(model=str(tiny_m2m100), max_new_tokens=6, **changed))


def test_its_languages_are_those_of_the_tokenizer_and_hold_all_of_xnli():
    pytest.importorskip("sentencepiece", reason="the tokenizer's module needs it")
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    assert sorted(LANGUAGES) == sorted(FAIRSEQ_LANGUAGE_CODES["m2m100"])
    xnli = "ar bg de el es fr hi ru sw th tr ur vi zh".split()  # noqa: SIM905
    assert all(M2M100().knows(code, "en") and M2M100().knows("en", code) for code in xnli)


def ids_of(folder):
    from transformers import M2M100Tokenizer

    tokenizer = M2M100Tokenizer.from_pretrained(folder)
    return tokenizer, {code: tokenizer.get_lang_id(code) for code in LANGUAGES}


def test_every_language_has_its_own_tokens_both_ways(tiny_m2m100, generated):
    _, ids = ids_of(tiny_m2m100)
    assert len(set(ids.values())) == 100
    part = M2M100(model=str(tiny_m2m100), beams=1, max_new_tokens=2)
    assert_tokens(part, generated, ids)


def test_the_language_token_does_not_stay_in_the_text(tiny_m2m100):
    with M2M100(model=str(tiny_m2m100), beams=1, max_new_tokens=5).opened() as translate:
        for text in translate(TEXTS, "fr", "el", generator=seeded()):
            assert not text.startswith("__el__")


def test_without_sentencepiece_it_says_what_to_install(monkeypatch):
    from conlst.augment.translators import seq2seq

    monkeypatch.setattr(seq2seq, "find_spec", lambda name: None)
    assert M2M100().obstacle("fr", "en") == (
        "sentencepiece is not installed: pip install sentencepiece"
    )


@pytest.mark.oracle("translators.m2m100")
@pytest.mark.parametrize(("source", "target"), [("en", "fr"), ("el", "bg"), ("th", "en")])
@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_greedy_translations_are_those_of_a_plain_loop(tiny_m2m100, source, target, batch_tokens):
    from transformers import M2M100ForConditionalGeneration

    network = M2M100ForConditionalGeneration.from_pretrained(tiny_m2m100).eval()
    tokenizer, ids = ids_of(tiny_m2m100)
    part = M2M100(model=str(tiny_m2m100), beams=1, max_new_tokens=12, batch_tokens=batch_tokens)
    surround = [ids[source]], [tokenizer.eos_token_id]
    assert_greedy(part, network, tokenizer, source, target, surround, ids[target])
