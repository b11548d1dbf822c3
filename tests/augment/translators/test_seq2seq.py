"""What the four neural translators share, tried on one of them."""

import itertools
import json
import shutil

import pytest
import torch
from pydantic import ValidationError
from transformers import MBart50Tokenizer, MBartForConditionalGeneration

from conlst.augment.translators import M2M100, MBart50, Nllb
from conlst.augment.translators.codes import MBART50
from conlst.augment.translators.seq2seq import _batches
from conlst.errors import BadInput
from tests.augment.translators.slow import TEXTS, scores, seeded


def translated(part, texts, seed=0, source="en", target="fr"):
    with part.opened() as translate:
        return translate(texts, source, target, generator=seeded(seed))


@pytest.mark.parametrize("budget", [1, 7, 40, 10_000])
def test_no_padded_batch_is_larger_than_the_budget(budget):
    lengths = sorted([3, 9, 9, 1, 30, 4, 4, 4], reverse=True)
    batches = [lengths[part] for part in _batches(lengths, budget)]
    assert list(itertools.chain(*batches)) == lengths
    assert all(len(batch) * batch[0] <= budget or len(batch) == 1 for batch in batches)


def test_texts_are_batched_by_length_and_come_back_in_their_order(tiny_mbart50, generated):
    texts = [" ".join(["river"] * n) for n in (1, 5, 2, 6, 1, 3)]
    part = MBart50(model=str(tiny_mbart50), beams=1, max_new_tokens=9, batch_tokens=40)
    together = translated(part, texts)
    widths = [call.input_ids.shape[1] for call in generated]
    assert len(widths) > 1
    assert widths == sorted(widths, reverse=True)
    assert all(call.input_ids.numel() <= 40 for call in generated if len(call.input_ids) > 1)
    assert together == [translated(part, [text])[0] for text in texts]


def test_a_translation_has_three_tokens_a_source_token_and_ten_at_most(tiny_mbart50, generated):
    translated(MBart50(model=str(tiny_mbart50)), ["Hello", "The river"])
    assert [call.max_new_tokens for call in generated] == [3 * generated[0].input_ids.shape[1] + 10]
    translated(MBart50(model=str(tiny_mbart50), max_new_tokens=4), TEXTS)
    assert generated[-1].made.shape[1] <= 5


def test_a_translation_is_no_longer_than_the_model_can_count(tiny_mbart50, generated):
    translated(MBart50(model=str(tiny_mbart50)), ["The river is wide and long."])
    assert generated[0].max_new_tokens == 47  # of 48 positions, one is the decoder's start


def test_what_a_model_brings_of_its_own_decoding_does_not_count(tiny_mbart50, generated):
    translated(MBart50(model=str(tiny_mbart50), beams=2), TEXTS)
    assert json.loads((tiny_mbart50 / "generation_config.json").read_text())["num_beams"] == 5
    assert {(call.num_beams, call.do_sample) for call in generated} == {(2, False)}


def test_too_long_a_text_is_left_out_not_cut(tiny_mbart50, generated):
    made = translated(MBart50(model=str(tiny_mbart50), max_new_tokens=5), ["long " * 60, "short"])
    assert made[0] == ""
    assert made[1]
    assert [len(call.input_ids) for call in generated] == [1]


def test_beams_find_the_likeliest_translation_of_two_tokens(tiny_mbart50):
    """With as many beams as there are tokens, beam search is exhaustive for two of them."""
    network = MBartForConditionalGeneration.from_pretrained(tiny_mbart50).eval()
    tokenizer = MBart50Tokenizer.from_pretrained(tiny_mbart50)
    ids, V = tokenizer.get_vocab(), len(tokenizer)
    end, begun = ids["</s>"], [2, ids["fr_XX"]]
    # The language, two tokens and the end, which mBART forces there.
    part = MBart50(model=str(tiny_mbart50), beams=V, max_new_tokens=4)
    for text in ("Hello", "The river is wide."):
        words = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))
        source = [ids["en_XX"], *words, end]
        first = torch.tensor(scores(network, source, begun)).log_softmax(0).tolist()
        found = {(end,): first[end] / 2}  # the mean over the tokens that were made
        for one in set(range(V)) - {end}:
            second = torch.tensor(scores(network, source, [*begun, one])).log_softmax(0).tolist()
            for two in range(V):
                length = 3 if two == end else 4
                found[(one, two)] = (first[one] + second[two]) / length
        best = max(found, key=lambda made: found[made])
        assert translated(part, [text]) == [tokenizer.decode(best, skip_special_tokens=True)]


def test_sampling_takes_its_chance_from_the_generator_alone(tiny_mbart50):
    part = MBart50(model=str(tiny_mbart50), beams=1, temperature=1.5, max_new_tokens=8)
    torch.manual_seed(5)
    one = translated(part, TEXTS, seed=1)
    torch.manual_seed(6)
    before = torch.get_rng_state()
    assert translated(part, TEXTS, seed=1) == one
    assert torch.equal(torch.get_rng_state(), before)
    assert translated(part, TEXTS, seed=2) != one


def test_a_cold_sample_is_the_greedy_one(tiny_mbart50):
    greedy = MBart50(model=str(tiny_mbart50), beams=1, max_new_tokens=8)
    cold = MBart50(model=str(tiny_mbart50), beams=1, max_new_tokens=8, temperature=1e-4)
    assert translated(cold, TEXTS) == translated(greedy, TEXTS)


def test_samples_follow_the_models_probabilities(tiny_mbart50, generated):
    part = MBart50(model=str(tiny_mbart50), beams=1, temperature=2.0, max_new_tokens=3)
    translated(part, ["Hello"] * 3000)
    source, begun = generated[0].input_ids[0].tolist(), generated[0].made[0, :2].tolist()
    logits = torch.tensor(scores(generated[0].network, source, begun))
    wanted = (logits / 2).softmax(0)
    drawn = torch.cat([call.made[:, 2] for call in generated])
    found = torch.bincount(drawn, minlength=len(wanted)) / len(drawn)
    assert (found - wanted).abs().max() < 0.03
    assert (found > 0).sum() > 50  # no top-k of 50 cuts the tail off


def test_beams_and_sampling_exclude_each_other():
    with pytest.raises(ValidationError, match="sampling keeps no beams: found beams 4"):
        MBart50(temperature=1.0)


def test_a_pair_that_it_does_not_know_is_a_misuse(tiny_mbart50):
    with pytest.raises(ValueError, match="mbart50 does not know 'el' to 'en'"):
        translated(MBart50(model=str(tiny_mbart50)), ["a"], source="el", target="en")


def test_a_region_does_not_matter_and_a_script_does():
    assert MBart50().knows("pt-BR", "en-GB")
    assert not MBart50().knows("en-US", "en")
    assert not MBart50().knows("zh-Hant", "en")
    assert Nllb().knows("zh-Hant", "zh")


def test_the_identity_holds_what_changes_translations_and_no_more(tiny_mbart50, tmp_path):
    folder = shutil.copytree(tiny_mbart50, tmp_path / "copy")
    part = MBart50(model=str(folder))
    same = [MBart50(model=str(folder), batch_tokens=7)]
    other = [
        MBart50(model=str(folder), revision="v2"),
        MBart50(model=str(folder), beams=2),
        MBart50(model=str(folder), beams=1, temperature=0.5),
        MBart50(model=str(folder), max_new_tokens=9),
        MBart50(),
        M2M100(model=str(folder)),
    ]
    before = part.identity()
    assert {one.identity() for one in same} == {before}
    assert len({before, *(one.identity() for one in other)}) == 1 + len(other)
    (folder / "model.safetensors").write_bytes(b"others")
    assert part.identity() != before


def test_pickled_weights_are_not_read(tiny_mbart50, tmp_path):
    folder = shutil.copytree(tiny_mbart50, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"pickled' holds pytorch_model.bin and no .safetensors"):
        translated(MBart50(model=str(folder)), ["a"])


def test_a_model_of_another_family_is_named(tiny_nllb, tiny_mbart50):
    with pytest.raises(BadInput, match="of the family 'm2m_100'; allowed: mbart"):
        translated(MBart50(model=str(tiny_nllb)), ["a"])
    with pytest.raises(BadInput, match="no language token '__en__'"):
        translated(M2M100(model=str(tiny_nllb)), ["a"])


def test_a_folder_that_is_not_there_is_said_before_and_when_it_is_opened():
    part = MBart50(model="./nowhere")
    assert part.obstacle("en", "fr") == "there is no folder ./nowhere"
    with pytest.raises(BadInput, match=r"'\./nowhere': no such folder"):
        translated(part, ["a"])
    assert MBart50().obstacle("en", "fr") is None


def test_all_of_mbart50_has_two_letters():
    assert {len(code) for code in MBART50} == {2}
