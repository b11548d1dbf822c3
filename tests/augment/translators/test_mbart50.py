import pytest
from transformers import MBart50Tokenizer, MBartForConditionalGeneration
from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES

from conlst.augment.translators import MBart50
from conlst.augment.translators.codes import MBART50
from conlst.testing import check
from tests.augment.translators.slow import assert_greedy, assert_tokens


@pytest.mark.parametrize("changed", [{"beams": 1}, {"beams": 3}, {"beams": 1, "temperature": 0.8}])
def test_it_keeps_the_contract(tiny_mbart50, changed):
    check(MBart50(model=str(tiny_mbart50), max_new_tokens=6, **changed))


def test_its_languages_are_those_of_the_tokenizer():
    assert sorted(MBART50.values()) == sorted(FAIRSEQ_LANGUAGE_CODES)
    assert all(name.partition("_")[0] == code for code, name in MBART50.items())


def test_of_xnli_it_lacks_greek_and_bulgarian_only():
    xnli = "ar bg de el es fr hi ru sw th tr ur vi zh".split()  # noqa: SIM905
    assert [code for code in xnli if not MBart50().knows(code, "en")] == ["bg", "el"]


def test_every_language_has_its_own_tokens_both_ways(tiny_mbart50, generated):
    vocabulary = MBart50Tokenizer.from_pretrained(tiny_mbart50).get_vocab()
    ids = {code: vocabulary[name] for code, name in MBART50.items()}
    part = MBart50(model=str(tiny_mbart50), beams=1, max_new_tokens=2)
    assert_tokens(part, generated, ids)


@pytest.mark.oracle("translators.mbart50")
@pytest.mark.parametrize(("source", "target"), [("en", "fr"), ("sw", "zh"), ("th", "en")])
@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_greedy_translations_are_those_of_a_plain_loop(tiny_mbart50, source, target, batch_tokens):
    network = MBartForConditionalGeneration.from_pretrained(tiny_mbart50).eval()
    tokenizer = MBart50Tokenizer.from_pretrained(tiny_mbart50)
    ids = tokenizer.get_vocab()
    part = MBart50(model=str(tiny_mbart50), beams=1, max_new_tokens=12, batch_tokens=batch_tokens)
    surround = [ids[MBART50[source]]], [ids["</s>"]]
    assert_greedy(part, network, tokenizer, source, target, surround, ids[MBART50[target]])
