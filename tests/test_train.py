import math

import pytest
import torch

from conlst.errors import BadInput
from conlst.model import load
from conlst.progress import Progress
from conlst.recipe import Model, Optimisation
from conlst.train import Term, Tools, accelerator, generator_for, optimise
from tests.conftest import TOPICS


@pytest.fixture
def model(tiny_encoder):
    torch.manual_seed(0)
    return load(Model(name=str(tiny_encoder)), TOPICS)


def tools(**changes):
    return Tools(accelerator("fp32"), generator_for(0, "test"), Progress())


def how(**changes):
    return Optimisation.model_validate({"epochs": 1, "learning_rate": 0.01, **changes})


def on_the_head(model):
    """A loss of the last layer alone, without dropout: what a batch holds is all it depends on."""
    features = torch.randn(8, 32, generator=torch.Generator().manual_seed(3))
    gold = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])

    def terms(rows, progress):
        logits = model.classify(features[rows])
        return [Term("ce", torch.nn.functional.cross_entropy(logits, gold[rows], reduction="none"))]

    return terms


def test_a_term_is_the_scaled_mean_of_weighted_rows():
    term = Term("x", torch.tensor([1.0, 3.0]), 2.0, torch.tensor([1.0, 0.5]))
    assert float(term.mean()) == (1.0 * 1.0 + 0.5 * 3.0) / 2


def test_the_rate_rises_and_falls_linearly(model, monkeypatch):
    rates = []
    batches = [torch.arange(8)] * 20
    optimizers = []
    kept = torch.optim.AdamW.step

    def watch(self, *args, **kwargs):
        optimizers.append(self)
        rates.append(self.param_groups[0]["lr"])
        return kept(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    optimise(model, [batches], on_the_head(model), how(warmup=0.25), tools(), "")
    expected = [0.01 * min(t / 5, (20 - t) / 15) for t in range(20)]
    assert rates == pytest.approx(expected)


def test_accumulated_batches_step_as_one_large_batch(tiny_encoder):
    def trained(batches, accumulate):
        torch.manual_seed(0)
        model = load(Model(name=str(tiny_encoder)), TOPICS)
        optimise(model, [batches], on_the_head(model), how(accumulate=accumulate), tools(), "")
        return model.output.weight.detach().clone()

    rows = torch.arange(8)
    assert torch.allclose(trained([rows], 1), trained(list(rows.split(2)), 4), atol=1e-6)


def test_a_short_last_group_counts_as_its_own_mean(model):
    batches = list(torch.arange(8).split(2))[:3]
    steps = []
    optimise(model, [batches], on_the_head(model), how(accumulate=2), tools(), "", steps.append)
    assert steps == [1, 2, 3]


def test_biases_and_norms_are_not_decayed_and_the_last_layer_has_its_rate(model, monkeypatch):
    seen = {}

    class Watch(torch.optim.AdamW):
        def __init__(self, groups, **more):
            super().__init__(groups, **more)
            for group in self.param_groups:
                for parameter in group["params"]:
                    seen[id(parameter)] = (group["lr"], group["weight_decay"])

    monkeypatch.setattr(torch.optim, "AdamW", Watch)
    settings = how(classifier_learning_rate=0.5, weight_decay=0.1)
    optimise(model, [[torch.arange(8)]], on_the_head(model), settings, tools(), "")
    assert seen[id(model.output.weight)] == (0.5, 0.1)
    assert seen[id(model.output.bias)] == (0.5, 0.0)
    assert seen[id(model.network.get_input_embeddings().weight)] == (0.01, 0.1)
    assert len(seen) == len(list(model.parameters()))


def test_gradients_are_clipped(model):
    def steep(rows, progress):
        return [Term("x", model.output.weight.sum().expand(1) * 1e6)]

    before = model.output.weight.detach().clone()
    optimise(model, [[torch.arange(1)]], steep, how(warmup=0.0, optimizer="adam"), tools(), "")
    assert float((model.output.weight.detach() - before).abs().max()) <= 0.011


def test_a_loss_that_is_no_number_stops_the_run_and_says_where(model):
    def broken(rows, progress):
        return [Term("contrastive", model.output.weight.sum().expand(1) * math.nan)]

    with pytest.raises(BadInput, match="stage 1: the loss 'contrastive' is nan at step 1"):
        optimise(model, [[torch.arange(1)]], broken, how(), tools(), "stage 1")


def test_a_tracker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("conlst.train.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="'wandb' is not installed; pip install wandb"):
        accelerator("fp32", trackers=["wandb"])


def test_chance_depends_on_seed_and_name_alone():
    def draw(*names):
        return torch.rand(3, generator=generator_for(*names)).tolist()

    assert draw(13, "fr/", "contrastive") == draw(13, "fr/", "contrastive")
    assert draw(13, "fr/", "contrastive") != draw(13, "sw/", "contrastive")
    assert draw(13, "source") != draw(14, "source")
