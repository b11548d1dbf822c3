import math
import weakref

import pytest
import torch

from conlst.arrays import Rows
from conlst.errors import BadInput, ConlstWarning
from conlst.model import load
from conlst.progress import Progress
from conlst.recipe import Model, Optimisation, SelfTrainingStage
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


# When memory runs out


class Bounded:
    """Terms that find memory for so many rows only, and tell what they were asked for."""

    def __init__(self, terms, rows, error, in_backward=False):
        self.terms, self.rows, self.error = terms, rows, error
        self.in_backward, self.asked = in_backward, []

    def __call__(self, batch, progress):
        self.asked.append(len(batch))
        terms = self.terms(batch, progress)
        if len(batch) <= self.rows:
            return terms
        if not self.in_backward:
            raise self.error
        terms[0].loss_B.register_hook(self.fail)
        return terms

    def fail(self, gradient):
        raise self.error


CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 9 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.filterwarnings("ignore:stage 1. memory ran out")
@pytest.mark.parametrize("in_backward", [False, True])
@pytest.mark.parametrize("error", [CUDA, CPU])
@pytest.mark.parametrize(("rows", "parts"), [(4, [4, 4]), (3, [2] * 4), (1, [1] * 8)])
def test_halves_make_the_step_of_the_whole(tiny_encoder, error, rows, parts, in_backward):
    def trained(bound):
        torch.manual_seed(0)
        model = load(Model(name=str(tiny_encoder)), TOPICS)
        terms = Bounded(on_the_head(model), bound, error, in_backward)
        batches = [torch.arange(8), torch.arange(8).flip(0)]
        settings = how(optimizer="adam", clip=1e9, warmup=0.0)
        steps = []
        means = optimise(model, [batches], terms, settings, tools(), "stage 1", steps.append)
        assert steps == [1, 2]
        return means, model.output.weight.detach(), terms.asked

    whole = trained(8)
    with pytest.warns(ConlstWarning, match=f"stage 1: memory ran out .* at most {parts[0]}, whose"):
        halved = trained(rows)
    assert halved[2][-2 * len(parts) :] == parts * 2  # the next batch is not tried whole again
    assert halved[0]["ce"] == pytest.approx(whole[0]["ce"], abs=1e-5)
    assert torch.allclose(halved[1], whole[1], atol=1e-5)


def test_the_gradient_of_halves_is_that_of_the_whole(tiny_encoder, monkeypatch):
    """Through the encoder, with weights, two terms, odd parts and accumulated batches."""
    rows = Rows([*"1234567"], ["a b", "Maji", "il pleut", "x", "y z", "b", "c"], None, ["en"] * 7)

    def gradient(bound, in_backward):
        torch.manual_seed(0)
        model = load(Model(name=str(tiny_encoder)), TOPICS)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        tokens, weight = model.tokenise(rows), torch.linspace(0.1, 1, 7)

        def terms(batch, progress):
            out = model.encode(tokens, batch)
            said = out.logits.log_softmax(1)
            return [
                Term("a", -said[:, 0], 0.5, weight[batch]),
                Term("b", model.project(out.features).square().mean(1)),
            ]

        found = {}

        def keep(optimizer, *args, **more):
            found.update(
                {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
            )

        monkeypatch.setattr(torch.optim.AdamW, "step", keep)
        bounded = Bounded(terms, bound, CPU, in_backward)
        batches = [torch.arange(7), torch.arange(6)]
        settings = how(accumulate=2, clip=1e9)
        optimise(model, [batches], bounded, settings, tools(), "")
        return found

    whole = gradient(7, False)
    for bound, in_backward in ((6, False), (6, True), (2, True)):
        with pytest.warns(ConlstWarning, match="memory ran out"):
            halved = gradient(bound, in_backward)
        assert halved.keys() == whole.keys()
        for name in whole:
            assert torch.allclose(halved[name], whole[name], rtol=0, atol=1e-5), name


def test_a_loss_that_compares_rows_is_said_to_change(model):
    stage = SelfTrainingStage.model_validate({"loss": {"type": "supcon"}, "warmup": 0.0})
    terms = Bounded(on_the_head(model), 4, CUDA)
    with pytest.warns(ConlstWarning, match="supcon compares the rows .* sees 4 at a time"):
        optimise(model, [[torch.arange(8)]], terms, stage, tools(), "stage 2")


def test_a_single_row_that_does_not_fit_ends_it(model):
    terms = Bounded(on_the_head(model), 0, CUDA)
    with pytest.warns(ConlstWarning), pytest.raises(BadInput, match="stage 1: memory does not suf"):
        optimise(model, [[torch.arange(8)]], terms, how(), tools(), "stage 1")


def test_other_errors_are_none_of_its_business(model):
    terms = Bounded(on_the_head(model), 4, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        optimise(model, [[torch.arange(8)]], terms, how(), tools(), "")


def test_what_an_attempt_computed_is_let_go_before_the_next(model):
    """The graph of the failed attempt would take the memory that the parts need."""
    alive = []

    def terms(batch, progress):
        held = model.output.weight * 2
        alive.append(weakref.ref(held))
        if len(batch) > 4:
            raise CUDA.__class__("CUDA out of memory")
        assert alive[0]() is None
        return [Term("x", held.sum().expand(len(batch)))]

    with pytest.warns(ConlstWarning):
        optimise(model, [[torch.arange(8)]], terms, how(), tools(), "")
