"""Reaching inside encoders: what is changed arrives, what is read is what the encoder computed."""

import pytest
import torch

from conlst.errors import BadInput
from conlst.inside import Looks, changed, layers_of, seen
from conlst.model import load
from conlst.tokens import pad
from tests.conftest import TOPICS
from tests.test_model import ROWS, family, section


@pytest.fixture(params=["bert", "xlm-roberta", "distilbert"])
def model(request, tiny_encoder, tmp_path):
    """Untrained, its weights so large that what is changed inside shows."""
    folder = tiny_encoder if request.param == "bert" else family(request.param, tmp_path)
    torch.manual_seed(0)
    model = load(section(folder), TOPICS).eval()
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)
    return model


@pytest.fixture
def batch(model):
    return pad(model.tokenise(ROWS), torch.arange(3), model.tokenizer)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_states_that_are_not_changed_change_nothing(model, batch, layer):
    plain = model(batch)
    with changed(model.network, layer, lambda states: (states, batch.attention_BT)):
        again = model(batch)
    assert torch.allclose(plain.logits, again.logits, atol=1e-6)
    assert torch.equal(model(batch).logits, plain.logits)  # nothing is left behind


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_row_given_anothers_states_and_attention_says_what_the_other_says(model, batch, layer):
    partner = torch.tensor([1, 1, 1])  # the longest row
    if layer == 0 and model.network.config.model_type == "xlm-roberta":
        partner = torch.tensor([2, 2, 2])  # the shortest: see `changed` for why
    plain = model(batch)
    with changed(
        model.network, layer, lambda states: (states[partner], batch.attention_BT[partner])
    ):
        mixed = model(batch)
    assert torch.allclose(mixed.logits, plain.logits[partner], atol=1e-5)


def test_tokens_that_are_not_attended_to_do_not_count(model, batch):
    """The new attention is what the layers above use: what lies beyond it is forgotten."""
    short = batch.attention_BT.clone()
    short[:, 3:] = 0

    def garbled(states):
        noise = torch.zeros_like(states)
        noise[:, 3:] = 9.0
        return states + noise, short

    with changed(model.network, 0, garbled):
        with_noise = model(batch)
    with changed(model.network, 0, lambda states: (states, short)):
        without = model(batch)
    assert torch.allclose(with_noise.logits, without.logits, atol=1e-5)
    assert not torch.allclose(with_noise.logits, model(batch).logits, atol=1e-3)


def test_changed_states_keep_the_gradient(model, batch):
    with changed(model.network, 1, lambda states: (states * 2, batch.attention_BT)):
        model(batch).logits.sum().backward()
    gradient = model.network.get_input_embeddings().weight.grad
    assert gradient.abs().sum() > 0


def test_attention_is_that_of_the_layer_and_rows_of_tokens_sum_to_one(model, batch):
    with seen(model.network, Looks(attention=(0, 1)), batch.attention_BT) as read:
        model(batch)
    assert sorted(read.attention) == [0, 1]
    for probs in read.attention.values():
        assert probs.shape == (3, 2, batch.ids_BT.shape[1], batch.ids_BT.shape[1])
        sums = probs.sum(-1)
        assert torch.allclose(sums, batch.attention_BT[:, None, :].expand_as(sums).float())
    assert not torch.allclose(read.attention[0], read.attention[1])
    network = model.network
    names = {"input_ids": batch.ids_BT, "attention_mask": batch.attention_BT}
    network.set_attn_implementation("eager")
    own = network(**names, output_attentions=True).attentions
    mask = batch.attention_BT[:, None, :, None]
    assert torch.allclose(read.attention[1], own[1] * mask, atol=1e-6)


def test_the_plain_form_of_attention_computes_the_same(model, batch):
    plain = model(batch).logits
    with seen(model.network, Looks(attention=(0,)), batch.attention_BT):
        eager = model(batch).logits
    assert torch.allclose(plain, eager, atol=1e-5)


def test_embeddings_are_averaged_over_tokens_and_not_over_padding(model, batch):
    with seen(model.network, Looks(embedding=True), batch.attention_BT) as read:
        model(batch)
    alone = pad(model.tokenise(ROWS), torch.tensor([2]), model.tokenizer)
    with seen(model.network, Looks(embedding=True), alone.attention_BT) as by_itself:
        model(alone)
    assert read.embedding.shape == (3, 32)
    assert torch.allclose(read.embedding[2], by_itself.embedding[0], atol=1e-6)


def test_a_layer_that_there_is_not_is_said(model, batch):
    assert len(layers_of(model.network)) == 2
    with pytest.raises(BadInput, match=r"states after layer 3: a .* of 2 layers has no such"):
        with changed(model.network, 3, lambda states: (states, batch.attention_BT)):
            pass
    with pytest.raises(BadInput, match=r"attention of layer 5: .* has the layers 0 to 1"):
        with seen(model.network, Looks(attention=(5,)), batch.attention_BT):
            pass
