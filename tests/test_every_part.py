"""Every registered part does its work in a whole run, once, on an encoder of two thin layers."""

import copy
import json
import math
import shutil

import pytest
import torch

import conlst
from conlst import recipe as recipes
from conlst.registry import REGISTRIES, Strategy
from tests.conftest import excerpt
from tests.test_run import conftest_recipe

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")

ELSEWHERE = {f"translators.{name}" for name in ("mbart50", "m2m100", "nllb", "marian", "apertium")}
"""They need a translation model or an installed program: tests/augment/translators."""


def fixed(threshold=0.34):
    return {"type": "fixed", "threshold": threshold}


def stage_1(**changes):
    """Contrastive negative learning with small batches; what does not use negatives has none."""
    return {"curve": 0, "negatives": {"type": "uniform", "count": 4}} | changes


def sampled(**sampler):
    return {"contrastive": stage_1(negatives={"count": 4, **sampler}), "self_training": None}


def compared(loss, **changes):
    return stage_1(loss=loss, negatives=None, **changes)


def selected(selector, **changes):
    return {"contrastive": None, "self_training": {"selector": selector, **changes}}


def online(selector, **changes):
    return selected(selector, mode="online", iterations=1, **changes)


def with_loss(loss, selector, **changes):
    """One loss in source stage and self-training, as those that read probabilities their own way
    must be."""
    loop = {"loss": loss, "source_loss": loss, "augment": None, **changes}
    return {"source": {"loss": loss}} | selected(selector, **loop)


CE = {"type": "cross_entropy"}
UPS = {"passes": 3, "spread": 0.5}
ASSEMBLIES = {
    "sl-leu": with_loss({"type": "leu"}, {"type": "topk_per_class", "score": "entropy"}),
    "sl-lou": with_loss({"type": "lou"}, {"type": "uncertainty", "score": "margin", "share": 0.5}),
    "sl-evi": with_loss(
        {"type": "evidential"},
        {
            "type": "all_of",
            "selectors": [
                {"type": "uncertainty", "score": "dissonance", "share": 0.8},
                {"type": "uncertainty", "score": "vacuity", "share": 0.8},
            ],
        },
    ),
    "ups": {
        "contrastive": compared(
            {"type": "negative"},
            complement={"type": "ups", "passes": 3, "threshold": 0.33, "spread": 0.5},
        ),
        "self_training": {
            "selector": {"type": "ups", "passes": 3, "threshold": 0.34, "spread": 0.5}
        },
    },
    "ccl": {
        "contrastive": compared(
            {"type": "ccl"}, complement={"type": "lowest_k", "k": 1}, draw="all"
        ),
        "self_training": {
            "selector": {"type": "cut_edge", "k": 3, "threshold": 0.3},
            "stop": {"type": "error_boundary"},
        },
    },
    "simcse": {
        "contrastive": compared({"type": "simcse"}),
        "self_training": {
            "selector": {"type": "aligned", "selector": {"type": "gmm"}},
            "stop": {"type": "snd"},
        },
    },
    "supcon": {
        "contrastive": compared({"type": "supcon"}, complement={"type": "random"}),
        "self_training": {
            "selector": {"type": "confident_learning"},
            "stop": {"type": "agreement", "enough": 1.0},
        },
    },
    "jnpl": {
        "contrastive": compared(
            {
                "type": "weighted_sum",
                "losses": [{"type": "nl_plus"}, {"type": "pl_plus"}],
                "weights": [1.0, 0.5],
            },
            complement={"type": "all_others", "at_most": 0.9},
        ),
        "self_training": None,
    },
    "uniform": sampled(type="uniform", languages="own"),
    "faiss": sampled(type="faiss", share="anchor"),
    "in-batch": sampled(type="in_batch", languages="other"),
    "memory-bank": sampled(type="memory_bank", languages={"fr": 2.0, "sw": 1.0}),
    "ept-apt": {
        "source": {
            "augment": {"type": "synonym", "path": "synonyms.json", "copies": 2},
            "loss": {
                "type": "weighted_sum",
                "losses": [
                    CE,
                    {"type": "embedding_push"},
                    {"type": "cross_entropy", "on": "clean"},
                    {"type": "attention_pull", "layer": 1},
                ],
                "weights": [1.0, 0.1, 1.0, 1.0],
            },
        },
        "contrastive": None,
        "self_training": None,
    },
    "r3f": {
        "source": {"augment": {"type": "embedding_noise"}, "loss": {"type": "r3f"}},
        "contrastive": None,
        "self_training": None,
    },
    "uda": online(
        {"type": "soft", "selector": fixed(), "temperature": 0.4},
        loss={"type": "kl_consistency", "threshold": 0.34},
        source_loss={"type": "tsa"},
        augment={"type": "word_dropout"},
    ),
    "mixmatch": selected(
        {"type": "soft", "selector": fixed(0.01), "temperature": 0.5},
        loss={"type": "distillation"},
        augment={"type": "mixup", "partner": "source", "where": 1, "bias": True},
        stop={"type": "entropy"},
    ),
    "cltp": selected(
        {"type": "partial_labels", "selector": fixed(0.4)},
        loss={"type": "partial_label"},
        augment={
            "type": "compose",
            "steps": [{"type": "masking"}, {"type": "mixup", "where": "embeddings"}],
        },
        stop={"type": "mutual_information"},
    ),
    "back-translation": selected(
        fixed(),
        augment={
            "type": "union",
            "choices": [
                {
                    "type": "back_translation",
                    "translators": [{"type": "table", "path": "translations.jsonl"}],
                    "missing": "skip",
                },
                {
                    "type": "one_of",
                    "choices": [
                        {"type": "code_switch", "path": "en-{language}.tsv", "rate": 0.9},
                        {"type": "masking"},
                    ],
                },
            ],
        },
        stop={"type": "source_guard", "most_lost": 0.9},
    ),
    "flexmatch": online({"type": "per_language", "selector": {"type": "flexmatch"}}),
    "freematch": online({"type": "freematch", "momentum": 0.5}),
    "softmatch": online({"type": "softmatch", "momentum": 0.5}),
    "adamatch": online({"type": "adamatch", "threshold": 0.9}),
    "dash": online({"type": "dash", "rho_min": 0.9}),
}


@pytest.fixture(scope="module")
def bed(tmp_path_factory, tiny_encoder, files):
    """A recipe whose source stage is done, and the dictionaries that parts ask for."""
    folder = tmp_path_factory.mktemp("parts")
    raw = conftest_recipe(tiny_encoder, files)
    raw |= {"contrastive": None, "self_training": None}
    done = conlst.run(copy.deepcopy(raw), out=folder / "source").folder
    (folder / "synonyms.json").write_text(json.dumps({"the": ["this", "that"], "of": ["from"]}))
    for code in ("fr", "sw"):
        (folder / f"en-{code}.tsv").write_text(f"en\t{code}\nthe\tla\nin\tdans\nof\tya\n")
    with (folder / "translations.jsonl").open("w") as file:
        for _, text, _ in excerpt("pool.fr", 24):
            for source, target, said in (("fr", "en", "E" + text), ("en", "fr", text + " voilà")):
                known = {"source": source, "target": target, "translation": said}
                file.write(json.dumps(known | {"text": text if source == "fr" else "E" + text}))
                file.write("\n")
    return raw, done, folder


def assembled(name, bed):
    """The recipe file of an assembly: a short one, beside the dictionaries."""
    raw, done, folder = bed
    raw, changes = copy.deepcopy(raw), copy.deepcopy(ASSEMBLIES[name])
    raw["name"] = name
    raw["source"] |= {"epochs": 1, "learning_rate": 1e-3} | changes.pop("source", {})
    if "loss" not in raw["source"]:
        raw["source"]["checkpoint"] = str(done / "model")
    common = {"learning_rate": 1e-4, "batch_size": 8}
    for stage in ("contrastive", "self_training"):
        more = common | ({"iterations": 2, "epochs": 1} if stage == "self_training" else {})
        if stage == "contrastive":
            more["confident"] = fixed()
        raw[stage] = more | changes[stage] if changes[stage] else None
    path = folder / f"{name}.json"
    path.write_text(json.dumps(raw))
    return path


def used(recipe):
    """Every part of a recipe, as kind.name."""
    sections = (recipe.source, recipe.contrastive, recipe.self_training)
    slots = [getattr(s, field) for s in sections if s for field in type(s).model_fields]
    parts = [part for slot in slots if isinstance(slot, Strategy) for part in slot.walk()]
    return {
        f"{kind}.{part.name}"
        for part in parts
        for kind, registry in REGISTRIES.items()
        if isinstance(part, registry.base)
    }


def test_together_they_use_every_part_there_is(bed):
    known = {
        f"{kind}.{cls.name}"
        for kind, registry in REGISTRIES.items()
        for cls in registry
        if cls.__module__.startswith("conlst.")
    }
    tried = set().union(*(used(recipes.load(assembled(name, bed))) for name in ASSEMBLIES))
    assert known - tried == ELSEWHERE
    assert tried <= known


@pytest.mark.slow
@pytest.mark.parametrize("name", ASSEMBLIES)
def test_it_runs_from_recipe_to_report(name, bed, tmp_path, monkeypatch):
    monkeypatch.setenv("CONLST_CACHE", str(tmp_path / "cache"))
    report = conlst.run(assembled(name, bed), out=tmp_path / "run")
    data = json.loads((report.folder / "report.json").read_text())
    assert data["finished"]
    for stage in data["stages"][1:]:
        for record in stage["records"].values():
            losses = record["facts"].get("loss", {})
            assert losses or record["facts"].get("selected") == 0
            assert all(math.isfinite(value) for value in losses.values())
    assert (report.folder / "model/model.safetensors").is_file()
    shutil.rmtree(tmp_path / "run")  # weights of many runs would fill the disk


def test_trained_parts_are_kept_and_taken_up(bed, tmp_path):
    """A loss with parameters of its own goes on with them in the next stage, and after a resume."""
    path = assembled("sl-leu", bed)
    whole = conlst.run(path, out=tmp_path / "whole").folder
    places = ["source", "self_training-1", "self_training-2"]
    parts = [load_parts(whole / "checkpoints" / place) for place in places]
    assert all(part.keys() == parts[0].keys() != set() for part in parts)
    assert not torch.equal(*(next(iter(part.values())) for part in parts[:2]))
    broken = tmp_path / "broken"
    shutil.copytree(whole, broken)
    for gone in ("checkpoints/self_training-2", "model"):
        shutil.rmtree(broken / gone)
    (broken / "report.json").unlink()
    again = load_parts(conlst.run(path, out=broken).folder / "checkpoints/self_training-2")
    assert all(torch.equal(again[name], value) for name, value in parts[2].items())


def load_parts(folder):
    from safetensors.torch import load_file

    return load_file(folder / "parts.safetensors")
