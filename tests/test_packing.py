"""Rows end to end say what padded rows say, in every family that is known; others say they pad."""

import contextlib
import functools
import warnings

import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraModel,
    XLMRobertaForSequenceClassification,
)

from conlst.arrays import Rows
from conlst.errors import ConlstWarning
from conlst.inside import Looks, changed, reached, seen
from conlst.model import load
from conlst.packing import ATTENTION, Layout, end_to_end, packed, packs, positions, unpadded
from conlst.tokens import pad
from tests.conftest import MINI, TOPICS, excerpt
from tests.test_model import family, section

TEXTS = [row[1] for row in excerpt("pool.fr", 9)] + ["Maji", "The sea is blue. [PAD] [PAD] It is."]
SINGLE = Rows([str(i) for i in range(len(TEXTS))], TEXTS, None, ["fr"] * len(TEXTS))
PAIRS = Rows(SINGLE.ids, TEXTS, [text[:25] for text in TEXTS[::-1]], SINGLE.languages)
HEADS = {
    "bert": BertForSequenceClassification,
    "xlm-roberta": XLMRobertaForSequenceClassification,
    "distilbert": DistilBertForSequenceClassification,
}


@pytest.fixture(scope="module", params=HEADS)
def model(request, tiny_encoder, tmp_path_factory):
    """Untrained, its weights so large that every token shows in the logits; without dropout."""
    known = tiny_encoder
    if request.param != "bert":
        known = family(request.param, tmp_path_factory.mktemp(request.param))
    torch.manual_seed(0)
    model = load(section(known, max_length=60), TOPICS).eval()
    assert isinstance(model.network, HEADS[request.param])
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.mul_(4 if weight.dim() > 1 else 1)
    return model


def with_padding(model, batch):
    """(logits, features) by the network itself on the padded batch, without anything of ours."""
    entering = []
    hook = model.output.register_forward_pre_hook(lambda _, args: entering.append(args[0]))
    inputs = {"input_ids": batch.ids_BT, "attention_mask": batch.attention_BT}
    if model.segments and batch.segments_BT is not None:
        inputs["token_type_ids"] = batch.segments_BT
    logits = model.network(**inputs).logits
    hook.remove()
    return logits, entering[0]


def everything(rows):
    return torch.arange(len(rows))


@pytest.mark.parametrize("rows", [SINGLE, PAIRS], ids=["texts", "pairs"])
def test_logits_and_features_are_those_of_the_padded_pass(model, rows):
    tokens = model.tokenise(rows)
    batch = pad(tokens, everything(rows), model.tokenizer)
    logits, features = with_padding(model, batch)
    assert logits.std(0).min() > 1e-3  # rows differ, by far more than the tolerance
    for out in (model(batch), model.encode(tokens, everything(rows))):
        assert torch.allclose(out.logits, logits, atol=1e-5)
        assert torch.allclose(out.features, features, atol=1e-5)


def test_attention_over_padded_rows_says_the_same_and_so_do_its_gradients(model):
    """As on a GPU, where runs are many."""
    rows = packed(model.tokenise(PAIRS), everything(PAIRS))
    assert len(rows.runs) > 1

    class Many(Layout):
        few = False

    query = model.network.get_input_embeddings().weight
    outcomes = []
    for kind in (Layout, Many):
        with end_to_end(model.network, rows) as inputs:
            layout = kind(rows.runs, torch.device("cpu"))
            logits = model.network(**inputs | {"layout": layout}).logits
        (gradient,) = torch.autograd.grad(logits.square().sum(), query)
        outcomes.append((logits, gradient))
    for by_run, by_grid in zip(*outcomes, strict=True):
        assert torch.allclose(by_run, by_grid, atol=1e-5)


def test_segments_count_where_a_model_has_them(model):
    tokens = model.tokenise(PAIRS)
    if not model.segments or tokens.segments is None:
        pytest.skip("no segments")
    plain = model.encode(tokens, everything(PAIRS))
    tokens.segments.zero_()
    assert not torch.allclose(model.encode(tokens, everything(PAIRS)).logits, plain.logits)


def test_gradients_are_those_of_the_padded_pass(model):
    """Without dropout, for every weight, up to float32's own accuracy."""
    batch = pad(model.tokenise(PAIRS), everything(PAIRS), model.tokenizer)
    weights = dict(model.network.named_parameters())
    target = torch.arange(len(PAIRS)) % 3

    def gradients(logits):
        loss = torch.nn.functional.cross_entropy(logits, target)
        return torch.autograd.grad(loss, list(weights.values()), allow_unused=True)

    ours = gradients(model(batch).logits)
    theirs = gradients(with_padding(model, batch)[0])
    for name, a, b in zip(weights, ours, theirs, strict=True):
        assert (a is None) == (b is None), name
        assert a is None or torch.allclose(a, b, atol=1e-5, rtol=1e-4), name


def test_a_row_does_not_depend_on_its_neighbours_nor_on_the_order(model):
    tokens, g = model.tokenise(SINGLE), torch.Generator().manual_seed(0)
    together = model.encode(tokens, everything(SINGLE))
    for i in range(len(SINGLE)):
        alone = model.encode(tokens, torch.tensor([i]))
        assert torch.allclose(alone.logits[0], together.logits[i], atol=1e-5)
    for order in (torch.randperm(len(SINGLE), generator=g), torch.tensor([3, 3, 0, 3])):
        moved = model.encode(tokens, order)
        assert torch.allclose(moved.features, together.features[order], atol=1e-5)


def test_rows_of_full_and_of_equal_length(model):
    full = Rows(["0", "1", "2"], ["a b c d " * 20] * 2 + ["e f g h " * 20], None, ["en"] * 3)
    tokens = model.tokenise(full)
    assert tokens.lengths.tolist() == [model.max_length] * 3
    assert packed(tokens, torch.arange(3)).runs == ((3, model.max_length),)
    logits, _ = with_padding(model, pad(tokens, torch.arange(3), model.tokenizer))
    assert torch.allclose(model.encode(tokens, torch.arange(3)).logits, logits, atol=1e-5)


def test_a_text_that_spells_out_padding(model):
    """The positions of XLM-R pass such tokens by; they stay tokens all the same."""
    tokens = model.tokenise(SINGLE)
    last = len(SINGLE) - 1
    assert (tokens.take(torch.tensor([last])).ids == model.tokenizer.pad_token_id).sum() == 2
    rows = packed(tokens, torch.tensor([last, 0]))
    ids = rows.ids_1N[0, rows.first_B[0] :][: int(tokens.lengths[last])]
    if model.network.config.model_type == "xlm-roberta":
        theirs = model.network.roberta.embeddings.create_position_ids_from_input_ids(
            ids[None], model.network.config.pad_token_id
        )
        start = int(rows.first_B[0])
        assert torch.equal(positions(model.network, rows)[:, start : start + len(ids)], theirs)


def test_a_padded_batch_gives_its_tokens_back(model):
    tokens = model.tokenise(PAIRS)
    back = unpadded(pad(tokens, everything(PAIRS), model.tokenizer))
    assert torch.equal(back.ids, tokens.ids)
    assert torch.equal(back.offsets, tokens.offsets)
    assert tokens.segments is None or torch.equal(back.segments, tokens.segments)


def test_no_padding_is_computed(model):
    tokens = model.tokenise(SINGLE)
    model.take_counts()
    model.encode(tokens, everything(SINGLE), budget=40)
    assert model.take_counts() == (len(tokens.ids), len(tokens.ids))


def test_the_views_of_a_text_differ_by_dropout(model):
    tokens = model.tokenise(SINGLE)
    torch.manual_seed(0)
    model.train()
    out = model.encode(tokens, torch.tensor([1, 1, 1]))
    model.eval()
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(out.features[a], out.features[b])


def test_nothing_is_left_behind_in_the_network(model):
    before = model.network.config._attn_implementation
    model.encode(model.tokenise(SINGLE), everything(SINGLE))
    assert model.network.config._attn_implementation == before != ATTENTION
    with pytest.raises(IndexError):
        model.encode(model.tokenise(SINGLE), torch.tensor([99]))
    assert model.network.config._attn_implementation == before


def test_who_reaches_inside_is_given_padded_states(model):
    batch = pad(model.tokenise(SINGLE), everything(SINGLE), model.tokenizer)
    shapes = []

    def look(states):
        shapes.append(tuple(states.shape[:2]))
        return states, batch.attention_BT

    plain = model(batch).logits
    with changed(model.network, 1, look):
        assert reached(model.network)
        with seen(model.network, Looks(embedding=True), batch.attention_BT):
            padded = model(batch).logits
        assert reached(model.network)
    assert not reached(model.network)
    assert shapes == [tuple(batch.ids_BT.shape)]
    assert torch.allclose(plain, padded, atol=1e-5)
    with seen(model.network, Looks(), batch.attention_BT):
        assert not reached(model.network)


def test_rows_are_laid_out_after_the_plain_form_of_attention_was_asked_for(tiny_encoder):
    model = load(section(tiny_encoder), TOPICS).eval()
    batch = pad(model.tokenise(SINGLE), everything(SINGLE), model.tokenizer)
    with seen(model.network, Looks(attention=(0,)), batch.attention_BT):
        padded = model(batch).logits
    model.take_counts()
    assert torch.allclose(model(batch).logits, padded, atol=1e-5)
    tokens, computed = model.take_counts()
    assert tokens == computed


# bf16


@pytest.fixture
def bf16_model(model):
    model.autocast = functools.partial(torch.autocast, "cpu", torch.bfloat16)
    yield model
    model.autocast = contextlib.nullcontext


def test_weights_turned_to_bf16_come_back_bit_for_bit(bf16_model):
    model = bf16_model
    before = {name: weight.clone() for name, weight in model.network.named_parameters()}
    kept = dict(model.network.named_parameters())
    plain = model.encode(model.tokenise(SINGLE), everything(SINGLE))  # waits for its gradient
    with torch.inference_mode(), model.for_many_rows(), model.for_many_rows():
        kinds = {weight.dtype for weight in model.network.parameters()}
        assert kinds == {torch.bfloat16, torch.float32}
        assert model.output.weight.dtype == torch.float32
        out = model.encode(model.tokenise(SINGLE), everything(SINGLE))
    assert out.logits.dtype == out.features.dtype == torch.float32
    for name, weight in model.network.named_parameters():
        assert weight is kept[name]
        assert torch.equal(weight, before[name])
    plain.logits.sum().backward()
    assert model.network.get_input_embeddings().weight.grad.abs().sum() > 0
    model.zero_grad()


def test_float32_stays_float32(model):
    with model.for_many_rows():
        assert {weight.dtype for weight in model.network.parameters()} == {torch.float32}


def test_gradients_in_bf16_are_taken_through_plain_attention(bf16_model):
    def nodes(graph, found):
        if graph is None or graph in found:
            return
        found.add(graph)
        for following, _ in graph.next_functions:
            nodes(following, found)

    found: set[object] = set()
    out = bf16_model.encode(bf16_model.tokenise(SINGLE), everything(SINGLE))
    nodes(out.logits.grad_fn, found)
    assert not [node for node in found if "FlashAttention" in node.name()]


# Other families


def test_another_family_is_padded_and_says_so_once(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    config = ElectraConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        embedding_size=16,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    ElectraModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load(section(tmp_path), TOPICS).eval()
    assert not packs(model.network)
    tokens = model.tokenise(SINGLE)
    with pytest.warns(ConlstWarning, match="a electra is computed with padding, its rows sorted"):
        out = model.encode(tokens, everything(SINGLE))
    counted, computed = model.take_counts()
    assert counted == len(tokens.ids) < computed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.autocast = functools.partial(torch.autocast, "cpu", torch.bfloat16)
        with torch.inference_mode(), model.for_many_rows():
            again = model.encode(tokens, everything(SINGLE), budget=60)
    assert torch.allclose(out.logits, again.logits, atol=2e-2)


@pytest.mark.parametrize(("name", "value"), [("is_decoder", True), ("chunk_size_feed_forward", 4)])
def test_a_known_family_built_otherwise_is_not_packed(model, monkeypatch, name, value):
    assert packs(model.network)
    monkeypatch.setattr(model.network.config, name, value, raising=False)
    assert not packs(model.network)
