"""Tiny models of the real classes, with real tokenizers trained on a few sentences."""

import io
import json
import warnings
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tests.conftest import excerpt

WIDTHS = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 48,
    "init_std": 0.6,  # so wide that the answer hangs on the text
}
OLD_DECODING = {"max_length": 20, "num_beams": 5, "early_stopping": True}
"""What the configurations of these models bring along on the hub; none of it may count."""


def sentences():
    return [row[1] for code in ("en", "fr") for row in excerpt(f"pool.{code}", 40)]


def save(folder, network, tokenizer):
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | OLD_DECODING))
    return folder


def pieces_of(prefix=()):
    """A SentencePiece model's bytes, and the vocabulary that stands beside it."""
    sentencepiece = pytest.importorskip(
        "sentencepiece", reason="M2M100 and Marian read SentencePiece models: pip install it"
    )
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences()), model_writer=model, vocab_size=300, minloglevel=2
    )
    reader = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [reader.id_to_piece(i) for i in range(3, reader.get_piece_size())]
    return model.getvalue(), {token: i for i, token in enumerate([*prefix, *pieces])}


@pytest.fixture(scope="session")
def tiny_mbart50(tmp_path_factory):
    from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration

    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    trained.train_from_iterator(sentences(), trainer)
    vocabulary = json.loads(trained.to_str())["model"]["vocab"]
    tokenizer = MBart50Tokenizer(vocab=[tuple(entry) for entry in vocabulary])
    torch.manual_seed(0)
    config = MBartConfig(vocab_size=len(tokenizer), decoder_start_token_id=2, **WIDTHS)
    return save(
        tmp_path_factory.mktemp("mbart50"), MBartForConditionalGeneration(config), tokenizer
    )


@pytest.fixture(scope="session")
def tiny_nllb(tmp_path_factory):
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=special, show_progress=False)
    trained.train_from_iterator(sentences(), trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer = NllbTokenizer(vocab=model["vocab"], merges=merges)
    torch.manual_seed(9)
    config = M2M100Config(vocab_size=len(tokenizer), decoder_start_token_id=2, **WIDTHS)
    return save(tmp_path_factory.mktemp("nllb"), M2M100ForConditionalGeneration(config), tokenizer)


@pytest.fixture(scope="session")
def tiny_m2m100(tmp_path_factory):
    model, vocabulary = pieces_of(["<s>", "<pad>", "</s>", "<unk>"])
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    folder = tmp_path_factory.mktemp("m2m100")
    (folder / "spm").write_bytes(model)
    (folder / "vocab").write_text(json.dumps(vocabulary))
    tokenizer = M2M100Tokenizer(str(folder / "vocab"), str(folder / "spm"))
    torch.manual_seed(2)
    size = len(vocabulary) + 100 + 8  # languages, and as many made-up words as the real one has
    config = M2M100Config(vocab_size=size, decoder_start_token_id=2, **WIDTHS)
    return save(folder, M2M100ForConditionalGeneration(config), tokenizer)


def marian(folder, seed, labels=()):
    model, vocabulary = pieces_of(["</s>", "<unk>", *labels])
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder.mkdir()
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(model)
    vocabulary["<pad>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it would rather have sacremoses, too
        tokenizer = MarianTokenizer(
            *(str(folder / name) for name in ("source.spm", "target.spm", "vocab.json"))
        )
    torch.manual_seed(seed)
    pad = vocabulary["<pad>"]
    config = MarianConfig(
        vocab_size=len(vocabulary),
        pad_token_id=pad,
        decoder_start_token_id=pad,
        eos_token_id=0,
        forced_eos_token_id=0,
        **WIDTHS,
    )
    return save(folder, MarianMTModel(config), tokenizer)


@pytest.fixture(scope="session")
def tiny_marian(tmp_path_factory):
    """A folder with a model for en to fr, one for fr to en, one of two target languages."""
    folder = tmp_path_factory.mktemp("marian")
    marian(folder / "en-fr", 3)
    marian(folder / "fr-en", 4)
    marian(folder / "en-bg", 5, [">>bul<<", ">>bul_Latn<<"])
    return folder


@pytest.fixture
def generated(monkeypatch):
    """What each call of `generate` was given and gave, while a test runs."""
    from transformers import GenerationMixin

    calls, real = [], GenerationMixin.generate

    def spy(network, **given):
        made = real(network, **given)
        calls.append(SimpleNamespace(**given, made=made, network=network))
        return made

    monkeypatch.setattr(GenerationMixin, "generate", spy)
    return calls
