import os

import pytest
from pydantic import ValidationError

from conlst.augment.translators import Marian
from conlst.errors import BadInput
from conlst.testing import check
from tests.augment.translators.slow import TEXTS, assert_greedy, seeded

BOTH = ["en>fr", "fr>en"]


def part(folder, **changed):
    settings = {"pairs": BOTH, "max_new_tokens": 6, "beams": 1} | changed
    return Marian(model=str(folder / "{source}-{target}"), **settings)


@pytest.mark.parametrize("changed", [{"beams": 1}, {"beams": 3}, {"temperature": 0.8}])
def test_it_keeps_the_contract(tiny_marian, changed):
    check(part(tiny_marian, **changed))


def test_it_knows_the_pairs_it_is_given():
    marian = Marian(pairs=["de>en"])
    assert marian.knows("de", "en")
    assert not marian.knows("en", "de")
    assert marian.place("de", "en") == "Helsinki-NLP/opus-mt-de-en"
    with pytest.raises(ValidationError, match="pairs"):
        Marian(pairs=["de-en"])


def test_its_local_folders_are_looked_for_pair_by_pair(tiny_marian, tmp_path):
    marian = part(tiny_marian)
    assert marian.obstacle("en", "fr") is None
    assert part(tmp_path).obstacle("en", "fr") == f"there is no folder {tmp_path / 'en-fr'}"
    before = marian.identity()
    path = tiny_marian / "fr-en" / "config.json"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert marian.identity() != before


def test_each_pair_has_its_own_model_and_no_forced_token(tiny_marian, generated):
    with part(tiny_marian).opened() as translate:
        translate(TEXTS, "en", "fr", generator=seeded())
        translate(TEXTS, "fr", "en", generator=seeded())
    places = [call.network.config.name_or_path for call in generated]
    assert places == [str(tiny_marian / "en-fr"), str(tiny_marian / "fr-en")]
    assert {call.forced_bos_token_id for call in generated} == {None}
    for call in generated:
        assert call.made[0, 0] == call.network.config.pad_token_id
        assert (call.input_ids == 0).any(1).all(), "each text ends with </s>"


def test_a_pair_that_is_not_listed_is_a_misuse(tiny_marian):
    with part(tiny_marian).opened() as translate, pytest.raises(ValueError, match="'en' to 'de'"):
        translate(["a"], "en", "de", generator=seeded())


def test_a_model_of_several_languages_is_told_which(tiny_marian, generated):
    labelled = part(tiny_marian, pairs=["en>bg"], labels={"en>bg": ">>bul<<"})
    with labelled.opened() as translate:
        assert translate([" "], "en", "bg", generator=seeded()) == [""]
        translate(["Hello", "The river"], "en", "bg", generator=seeded())
    (call,) = generated
    assert call.input_ids[:, 0].tolist() == [2, 2]  # >>bul<< comes after </s> and <unk>


@pytest.mark.parametrize("labels", [{}, {"en>bg": ">>fra<<"}])
def test_without_its_label_it_is_an_error(tiny_marian, labels):
    with part(tiny_marian, pairs=["en>bg"], labels=labels).opened() as translate:
        with pytest.raises(BadInput, match=r"labels\['en>bg'\].*allowed: >>bul<<, >>bul_Latn<<"):
            translate(["Hello"], "en", "bg", generator=seeded())


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.oracle("translators.marian")
@pytest.mark.parametrize(("source", "target"), [("en", "fr"), ("fr", "en")])
@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_greedy_translations_are_those_of_a_plain_loop(tiny_marian, source, target, batch_tokens):
    from transformers import MarianMTModel, MarianTokenizer

    folder = tiny_marian / f"{source}-{target}"
    network = MarianMTModel.from_pretrained(folder).eval()
    tokenizer = MarianTokenizer.from_pretrained(folder)
    slow = part(tiny_marian, max_new_tokens=12, batch_tokens=batch_tokens)
    assert_greedy(slow, network, tokenizer, source, target, ([], [0]), None)
