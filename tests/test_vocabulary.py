"""Training without the embedding rows that cannot occur comes to what training with them does."""

import copy
import gc
import tempfile
import weakref

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
)

import conlst
from conlst import vocabulary
from conlst.arrays import Rows
from conlst.augment import augmenters
from conlst.errors import ConlstWarning
from conlst.model import load
from conlst.predict import label
from conlst.progress import Progress
from conlst.recipe import Model, Optimisation
from conlst.train import Term, Tools, accelerator, generator_for, optimise
from conlst.vocabulary import CompactEmbedding, compacted, new_texts, occurring
from tests.conftest import MINI, TOPICS, excerpt
from tests.test_model import family
from tests.test_run import CutOff, Stop, conftest_recipe, equal, timeless, weights

CELLS = excerpt("source.en", 12)
ROWS = Rows([row[0] for row in CELLS], [row[1] for row in CELLS], None, ["en"] * 12)
GOLD = torch.arange(12) % 3


@pytest.fixture(scope="module", params=["bert", "xlm-roberta", "distilbert"])
def encoder(request, tmp_path_factory, tiny_encoder):
    if request.param == "bert":
        return tiny_encoder
    return family(request.param, tmp_path_factory.mktemp(request.param))


def loaded(folder):
    torch.manual_seed(0)
    return load(Model(name=str(folder), max_length=24), TOPICS)


def how(**changes):
    settings = {"epochs": 1, "learning_rate": 1e-3, "weight_decay": 0.1, "warmup": 0.1}
    return Optimisation.model_validate(settings | changes)


def train(model, tokens, settings, held_V=None, steps=10, seed=0, after=lambda step: None):
    tools = Tools(
        accelerator("fp32"), generator_for(seed, "test"), Progress(), occurring_V=lambda: held_V
    )
    batches = [torch.arange(12).roll(i)[:8] for i in range(steps)]

    def terms(rows, progress):
        logits = model.encode(tokens, rows).logits
        return [Term("ce", nn.functional.cross_entropy(logits, GOLD[rows], reduction="none"))]

    return optimise(model, [batches], terms, settings, tools, "", after)


def held(model, tokens):
    pieces = model.network.get_input_embeddings().num_embeddings
    return occurring([tokens], model.tokenizer, pieces)


def pieces_trained(model, tokens, settings, held_V):
    """Rows of the embedding while it is trained."""
    seen = []

    def look(step):
        seen.append(len(model.network.get_input_embeddings().weight))

    train(model, tokens, settings, held_V, steps=1, after=look)
    return seen[0]


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "adam", "weight_decay": 0.0}, {"accumulate": 2}]
)
def test_twenty_steps_equal_those_of_the_whole_matrix_in_every_row(encoder, tmp_path, changes):
    """With saving and restoring between, dropout on, and decay and rates that can be seen."""
    dense, compact = loaded(encoder), loaded(encoder)
    before = dense.network.get_input_embeddings().weight.detach().clone()
    tokens, settings = dense.tokenise(ROWS), how(**changes)
    held_V = held(dense, tokens)
    assert held_V.float().mean() < 0.02
    for half in range(2):
        losses = [
            train(model, tokens, settings, which, seed=half)["ce"]
            for model, which in ((dense, None), (compact, held_V))
        ]
        assert losses[0] == pytest.approx(losses[1], abs=1e-6)
        for name, model in (("dense", dense), ("compact", compact)):
            model.save(tmp_path / name)
            model.restore(tmp_path / name)
    a, b = dense.state_dict(), compact.state_dict()
    assert a.keys() == b.keys()
    for name in a:
        assert torch.allclose(a[name], b[name], rtol=0, atol=1e-6), name
    absent = before[~held_V]
    after = compact.network.get_input_embeddings().weight[~held_V]
    assert torch.equal(after, absent) == (settings.weight_decay == 0)
    said = [label(model, tokens, Progress(), "") for model in (dense, compact)]
    assert torch.allclose(said[0].logits_NC, said[1].logits_NC, atol=1e-6)
    # What is exported is the full model with the full tokenizer.
    compact.export(tmp_path / "out")
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert len(network.get_input_embeddings().weight) == len(held_V) == len(tokenizer)
    inputs = tokenizer(
        list(ROWS.texts), truncation=True, max_length=24, padding=True, return_tensors="pt"
    )
    if not compact.segments:
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        assert torch.allclose(network(**inputs).logits, said[1].logits_NC, atol=1e-5)


def test_the_small_matrix_is_trained_and_the_whole_one_is_back_whatever_happens(tiny_encoder):
    model = loaded(tiny_encoder)
    tokens = model.tokenise(ROWS)
    held_V, whole = held(model, tokens), model.network.get_input_embeddings()
    before = whole.weight.detach().clone()

    def stop(step):
        inside = model.network.get_input_embeddings()
        assert isinstance(inside, CompactEmbedding)
        assert inside.weight.shape == (int(held_V.sum()), 32)
        assert inside.padding_idx == int(held_V[: whole.padding_idx].sum())
        label(model, tokens, Progress(), "")
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, tokens, how(warmup=0.0), held_V, after=stop)
    assert model.network.get_input_embeddings() is whole
    rates = [1e-3 * (10 - t) / 10 for t in range(7)]
    left = torch.tensor([1 - 0.1 * rate for rate in rates], dtype=torch.float64).prod()
    assert torch.allclose(whole.weight[~held_V], before[~held_V] * left.float(), rtol=1e-6, atol=0)
    assert not torch.allclose(whole.weight[held_V], before[held_V], atol=1e-4)
    assert whole.weight.requires_grad


def test_the_moments_are_gone_before_the_whole_matrix_is_back(tiny_encoder, monkeypatch):
    model = loaded(tiny_encoder)
    tokens, alive = model.tokenise(ROWS), []
    monkeypatch.setattr(torch.optim.AdamW, "__init__", _watching(torch.optim.AdamW.__init__, alive))
    back = vocabulary.Absent.return_to
    at_return = []

    def watch(self, weight_VD):
        at_return.append(alive[0]() is None)
        return back(self, weight_VD)

    monkeypatch.setattr(vocabulary.Absent, "return_to", watch)
    gc.disable()
    try:
        train(model, tokens, how(), held(model, tokens))
    finally:
        gc.enable()
    assert at_return == [True]


def _watching(init, alive):
    def made(self, *args, **more):
        alive.append(weakref.ref(self))
        init(self, *args, **more)

    return made


def test_an_id_that_was_not_announced_is_refused(tiny_encoder):
    whole = loaded(tiny_encoder).network.get_input_embeddings()
    held_V = torch.zeros(len(whole.weight), dtype=torch.bool)
    held_V[:9] = True
    with pytest.raises(IndexError):
        CompactEmbedding(whole, held_V)(torch.tensor([[3, 9]]))


def test_it_is_left_alone_where_that_is_not_exact_or_not_worth_it(tiny_encoder, monkeypatch):
    model = loaded(tiny_encoder)
    tokens = model.tokenise(ROWS)
    held_V, V = held(model, tokens), 24000
    few = int(held_V.sum())
    assert pieces_trained(model, tokens, how(), held_V) == few
    assert pieces_trained(model, tokens, how(), None) == V
    half = torch.arange(V) < V // 2
    half |= held_V
    assert pieces_trained(model, tokens, how(), half) == V
    adam = how(optimizer="adam")
    assert pieces_trained(model, tokens, adam, held_V) == V
    assert pieces_trained(model, tokens, how(optimizer="adam", weight_decay=0.0), held_V) == few
    model.network.get_input_embeddings().weight.requires_grad_(False)
    assert pieces_trained(model, tokens, how(), held_V) == V


def test_a_matrix_that_another_layer_shares_is_left_alone(tiny_encoder):
    config = BertConfig.from_pretrained(MINI)
    network = BertForMaskedLM(config)
    whole = network.get_input_embeddings()
    held_V = torch.zeros(len(whole.weight), dtype=torch.bool)
    with compacted(network, lambda: held_V, how()):
        assert network.get_input_embeddings() is whole


def test_without_room_on_disk_all_rows_are_trained(tiny_encoder, monkeypatch):
    model = loaded(tiny_encoder)
    tokens = model.tokenise(ROWS)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(vocabulary.Absent, "__init__", full)
    with pytest.warns(ConlstWarning, match="no room .* No space left on device"):
        assert pieces_trained(model, tokens, how(), held(model, tokens)) == 24000


def test_what_occurs_is_in_the_tables_or_special(tiny_encoder):
    model = loaded(tiny_encoder)
    tokens, tokenizer = model.tokenise(ROWS), model.tokenizer
    held_V = held(model, tokens)
    special = {tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id}
    assert set(held_V.nonzero().flatten().tolist()) == set(tokens.ids.tolist()) | special


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        (None, True),
        ({"type": "masking"}, True),
        ({"type": "mixup"}, True),
        ({"type": "one_of", "choices": [{"type": "masking"}, {"type": "mixup"}]}, True),
        ({"type": "word_dropout"}, False),
        ({"type": "one_of", "choices": [{"type": "mixup"}, {"type": "word_dropout"}]}, False),
    ],
)
def test_which_augmenters_bring_no_unknown_tokens(raw, known):
    augment = raw and augmenters.validate(raw)
    assert new_texts(augment, ROWS) == ([] if known else None)


def test_back_translations_are_listed_unless_they_are_translated_again(monkeypatch):
    back = {"type": "back_translation"}
    other = Rows(ROWS.ids, ["other"] * 12, None, ROWS.languages)
    kind = type(augmenters.validate(back))
    monkeypatch.setattr(kind, "rows", lambda self, rows, *, generator: (other, torch.arange(12)))
    either = augmenters.validate({"type": "one_of", "choices": [back, {"type": "masking"}]})
    assert new_texts(either, ROWS) == [other]
    assert new_texts(augmenters.validate({"type": "compose", "steps": [back, back]}), ROWS) is None


def test_other_peoples_augmenters_may_bring_anything():
    masking = type(augmenters.validate({"type": "masking"}))

    class Mine(masking):
        pass

    assert new_texts(Mine(), ROWS) is None


# Whole runs


@pytest.fixture(scope="module")
def raw(tiny_encoder, files):
    raw = conftest_recipe(tiny_encoder, files)
    raw["self_training"]["iterations"] = 1
    raw["self_training"]["augment"] = {"type": "masking"}
    return raw


@pytest.fixture(scope="module")
def done(raw, tmp_path_factory):
    return conlst.run(copy.deepcopy(raw), out=tmp_path_factory.mktemp("done") / "run")


def test_a_run_comes_to_the_same_as_one_with_the_whole_matrix(done, raw, tmp_path, monkeypatch):
    made = []
    kept = CompactEmbedding.__init__

    def watch(self, whole, held_V):
        made.append(int(held_V.sum()))
        kept(self, whole, held_V)

    monkeypatch.setattr(CompactEmbedding, "__init__", watch)
    again = conlst.run(copy.deepcopy(raw), out=tmp_path / "again")
    assert equal(weights(again.folder), weights(done.folder))
    assert len(made) == 3
    assert made[0] < made[1] == made[2]  # the source's; those of the pools too
    monkeypatch.setattr(vocabulary, "WORTH_IT", 2)
    dense = conlst.run(copy.deepcopy(raw), out=tmp_path / "dense")
    assert len(made) == 3
    a, b = weights(dense.folder), weights(done.folder)
    assert all(torch.allclose(a[name], b[name], atol=2e-5) for name in a)


def test_a_run_interrupted_while_it_trains_ends_in_the_same_numbers(done, raw, tmp_path):
    class StopLater(Stop):
        def task(self, what, total):
            inner = Progress.task(self, what, total)
            return CutOff(inner, 1) if self.at in what else inner

    with pytest.raises(KeyboardInterrupt):
        conlst.run(copy.deepcopy(raw), out=tmp_path / "run", progress=StopLater("iteration 1"))
    again = conlst.run(copy.deepcopy(raw), out=tmp_path / "run")
    assert timeless(again.data) == timeless(done.data)
    assert equal(weights(again.folder), weights(done.folder))


def test_the_file_of_absent_rows_has_no_name(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = loaded(tiny_encoder)
    tokens, seen = model.tokenise(ROWS), []
    look = lambda step: seen.append(list(tmp_path.iterdir()))  # noqa: E731
    train(model, tokens, how(), held(model, tokens), steps=1, after=look)
    assert seen == [[]]
