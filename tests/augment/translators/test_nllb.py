import pytest
from transformers import M2M100ForConditionalGeneration, NllbTokenizer
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

from conlst.augment.translators import Nllb
from conlst.augment.translators.codes import NLLB
from conlst.testing import check
from tests.augment.translators.slow import TEXTS, assert_greedy, assert_tokens, seeded


@pytest.mark.parametrize("changed", [{"beams": 1}, {"beams": 3}, {"beams": 1, "temperature": 0.8}])
def test_it_keeps_the_contract(tiny_nllb, changed):
    check(Nllb(model=str(tiny_nllb), max_new_tokens=6, **changed))


def test_its_languages_are_the_tokenizers_and_hold_all_of_xnli():
    assert set(NLLB.values()) <= set(FAIRSEQ_LANGUAGE_CODES)
    xnli = "ar bg de el es fr hi ru sw th tr ur vi zh".split()  # noqa: SIM905
    assert all(Nllb().knows(code, "en") and Nllb().knows("en", code) for code in xnli)


def test_every_language_has_its_own_tokens_both_ways(tiny_nllb, generated):
    vocabulary = NllbTokenizer.from_pretrained(tiny_nllb).get_vocab()
    ids = {code: vocabulary[name] for code, name in NLLB.items()}
    assert_tokens(Nllb(model=str(tiny_nllb), beams=1, max_new_tokens=2), generated, ids)


def test_a_translation_may_be_longer_than_the_twenty_tokens_that_models_bring(tiny_nllb, generated):
    with Nllb(model=str(tiny_nllb), beams=2).opened() as translate:
        translate([" ".join(["weather"] * 6)], "en", "fr", generator=seeded())
        translate(TEXTS, "en", "fr", generator=seeded())
    assert generated[0].network.generation_config.max_length is None
    assert max(call.made.shape[1] for call in generated) > 21


@pytest.mark.oracle("translators.nllb")
@pytest.mark.parametrize(("source", "target"), [("en", "fr"), ("sw", "zh"), ("th", "en")])
@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_greedy_translations_are_those_of_a_plain_loop(tiny_nllb, source, target, batch_tokens):
    network = M2M100ForConditionalGeneration.from_pretrained(tiny_nllb).eval()
    tokenizer = NllbTokenizer.from_pretrained(tiny_nllb)
    ids = tokenizer.get_vocab()
    part = Nllb(model=str(tiny_nllb), beams=1, max_new_tokens=12, batch_tokens=batch_tokens)
    surround = [ids[NLLB[source]]], [ids["</s>"]]
    assert_greedy(part, network, tokenizer, source, target, surround, ids[NLLB[target]])
