import contextlib
import json
import shutil

import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
    pipeline,
)

from conlst.arrays import Rows
from conlst.errors import BadInput
from conlst.inside import Looks, seen
from conlst.model import load
from conlst.predict import classify, label
from conlst.progress import Progress
from conlst.recipe import Model
from conlst.tokens import pad
from tests.conftest import MINI, TOPICS

TEXTS = [
    "The sea is blue.",
    "Ils ont voté hier soir à Paris, dans le calme et sans incident.",
    "Maji",
]
ROWS = Rows(["0", "1", "2"], TEXTS, None, ["en", "fr", "sw"])


def section(folder, **changes):
    return Model(name=str(folder), max_length=changes.pop("max_length", 24), **changes)


@pytest.fixture
def model(tiny_encoder):
    torch.manual_seed(0)
    return load(section(tiny_encoder), TOPICS).eval()


@pytest.fixture(scope="module", params=["xlm-roberta", "distilbert"])
def other_family(request, tmp_path_factory):
    return family(request.param, tmp_path_factory.mktemp(request.param))


def family(name, folder):
    """Encoders whose heads are built otherwise than BERT's."""
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if name == "xlm-roberta":
        config = XLMRobertaConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=66,
            **common,
        )
        XLMRobertaModel(config).save_pretrained(folder)
    else:
        config = DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, **common)
        DistilBertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_features_and_logits_do_not_depend_on_padding(model):
    tokens = model.tokenise(ROWS)
    together = label(model, tokens, Progress(), "")
    for i in range(3):
        alone = model.encode(tokens, torch.tensor([i]))
        assert torch.allclose(alone.features, together.features_ND[i : i + 1], atol=1e-6)
        assert torch.allclose(alone.logits, together.logits_NC[i : i + 1], atol=1e-6)


def test_features_are_what_the_classifier_reads(model):
    out = model.encode(model.tokenise(ROWS), torch.arange(3))
    assert out.features.shape == (3, 32)
    assert torch.allclose(model.classify(out.features), out.logits, atol=1e-6)


def test_a_small_budget_gives_the_same_in_the_same_order(model):
    tokens = model.tokenise(ROWS)
    order = torch.tensor([2, 1, 0, 1])
    whole, cut = (model.encode(tokens, order, budget=b) for b in (4096, 8))
    assert torch.allclose(whole.logits, cut.logits, atol=1e-6)


def test_every_family_gives_features_of_its_last_layer(other_family):
    model = load(section(other_family), TOPICS).eval()
    tokens = model.tokenise(ROWS)
    out = model.encode(tokens, torch.arange(3))
    assert out.features.shape == (3, 32)
    assert torch.allclose(model.classify(out.features), out.logits, atol=1e-6)
    alone = model.encode(tokens, torch.tensor([2]))
    assert torch.allclose(alone.features[0], out.features[2], atol=1e-6)


def test_the_views_of_a_text_differ_by_dropout(model):
    model.train()
    torch.manual_seed(0)
    features = model.encode(model.tokenise(ROWS), torch.tensor([1, 1])).features
    assert not torch.allclose(features[0], features[1])


def test_saved_and_restored_weights_are_equal_bit_for_bit(model, tiny_encoder, tmp_path):
    model.save(tmp_path / "kept")
    torch.manual_seed(1)
    other = load(section(tiny_encoder), TOPICS).eval()
    assert not torch.equal(other.contrastive.weight, model.contrastive.weight)
    other.restore(tmp_path / "kept")
    for (name, a), (_, b) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_an_exported_model_answers_in_a_pipeline_with_topic_names(model, tmp_path):
    model.export(tmp_path / "out")
    answer = pipeline("text-classification", str(tmp_path / "out"))(TEXTS[0])[0]
    assert answer["label"] in TOPICS


def test_prediction_from_a_folder_equals_the_model_that_was_saved(model, tmp_path):
    model.export(tmp_path / "out")
    classes, probs = classify(tmp_path / "out", ROWS, Progress())
    assert classes == TOPICS
    own = label(model, model.tokenise(ROWS), Progress(), "").probs_NC
    assert torch.allclose(probs, own, atol=2e-2)  # the folder is read in bf16 where there is any


def test_the_precision_context_is_entered(tiny_encoder):
    entered = []

    @contextlib.contextmanager
    def watch():
        entered.append(1)
        yield

    model = load(section(tiny_encoder), TOPICS, autocast=watch)
    model.encode(model.tokenise(ROWS), torch.arange(3))
    assert entered


def test_the_counter_tells_tokens_from_padding(model):
    tokens = model.tokenise(ROWS)
    model.take_counts()
    model.encode(tokens, torch.arange(3))
    model(pad(tokens, torch.arange(3), model.tokenizer))
    many, longest = int(tokens.lengths.sum()), int(tokens.lengths.max())
    assert model.take_counts() == (2 * many, 2 * many)
    assert model.take_counts() == (0, 0)
    batch = pad(tokens, torch.arange(3), model.tokenizer)
    with seen(model.network, Looks(embedding=True), batch.attention_BT):
        model(batch)
    assert model.take_counts() == (many, 3 * longest)


# Refusals


def test_a_folder_with_a_pickle_only_is_refused(tiny_encoder, tmp_path):
    (tmp_path / "config.json").write_text((tiny_encoder / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(BadInput, match=r"pytorch_model.bin and no .safetensors.*execute code"):
        load(section(tmp_path), TOPICS)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        load(section(tmp_path / "nowhere"), TOPICS)


def test_a_checkpoint_of_other_classes_is_refused(model, tmp_path):
    model.export(tmp_path / "out")
    with pytest.raises(
        BadInput, match=r"classes \['geography', 'politics', 'sports'\] and the data"
    ):
        load(section(tmp_path / "out"), TOPICS[::-1], fine_tuned=True)


def test_a_checkpoint_without_a_classifier_is_refused(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "bare")
    config = json.loads((tmp_path / "bare/config.json").read_text())
    config |= {
        "id2label": dict(enumerate(TOPICS)),
        "label2id": {n: i for i, n in enumerate(TOPICS)},
    }
    (tmp_path / "bare/config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="not fine-tuned: it lacks classifier"):
        load(section(tmp_path / "bare"), TOPICS, fine_tuned=True)


def test_a_length_beyond_the_model_is_refused(tiny_encoder):
    with pytest.raises(BadInput, match=r"max_length: found 300; .* takes at most 256"):
        load(section(tiny_encoder, max_length=300), TOPICS)


def test_xlm_r_counts_positions_from_behind_its_padding(other_family):
    if "xlm" not in other_family.name:
        pytest.skip("about XLM-R")
    pad = AutoTokenizer.from_pretrained(MINI).pad_token_id
    longest = 66 - (pad + 1)
    load(section(other_family, max_length=longest), TOPICS)
    with pytest.raises(BadInput, match=f"at most {longest}"):
        load(section(other_family, max_length=longest + 1), TOPICS)


def test_a_classifier_of_another_task_gives_way(model, tmp_path):
    model.export(tmp_path / "out")
    other = load(section(tmp_path / "out"), ["yes", "no"])
    assert (other.classes, other.output.out_features) == (("yes", "no"), 2)


def test_the_network_is_transformers_own(model):
    assert isinstance(model.network, BertForSequenceClassification)
