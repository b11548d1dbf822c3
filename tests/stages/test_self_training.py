"""Stage 2: what is selected is trained on, through the strong views."""

from dataclasses import replace

import pytest
import torch

from conlst.arrays import Selection
from conlst.augment import Augmenter, augmenters
from conlst.errors import ConlstWarning
from conlst.losses import losses
from conlst.model import load
from conlst.recipe import Model, SelfTrainingStage, SourceStage
from conlst.stages import self_training
from conlst.stages.views import strong_views
from tests.conftest import TOPICS
from tests.stages.test_contrastive import (  # noqa: F401  (fixtures)
    model,
    pool,
    source,
    target,
    tools,
)


def stage(**changes):
    return SelfTrainingStage.model_validate(
        {
            "epochs": 1,
            "batch_size": 4,
            "learning_rate": 1e-3,
            "selector": {"type": "fixed", "threshold": 0.3},
            **changes,
        }
    )


def views(augment, model, target, selection, chosen):
    rows, aims = selection.index[chosen], selection.target_KC[chosen]
    loss = losses.validate({"type": "cross_entropy"})
    g = torch.Generator().manual_seed(0)
    origin, x = strong_views(augment, model, target.batch(rows, aims), loss, generator=g)
    return origin, x.logits, x.target


def hard(pool, index):
    keep = torch.zeros(len(pool), dtype=torch.bool)
    keep[index] = True
    return Selection.hard(pool, keep)


def test_the_encoder_gets_a_gradient_through_mixup(model, pool, target):
    """USB's mixup lost it: there only the last layer learnt."""
    selection = hard(pool, [1, 4, 6, 9])
    mixup = augmenters.validate({"type": "mixup"})
    _, logits, aims = views(mixup, model, target, selection, torch.arange(4))
    torch.nn.functional.cross_entropy(logits, aims).backward()
    gradient = model.network.bert.encoder.layer[0].attention.self.query.weight.grad
    assert gradient.abs().sum() > 0


def test_without_an_augmenter_views_are_the_texts_with_their_pseudo_labels(model, pool, target):
    model.eval()
    selection = hard(pool, [2, 5, 7])
    origin, logits, aims = views(None, model, target, selection, torch.tensor([2, 0]))
    own = model.encode(target.tokens, torch.tensor([7, 2])).logits
    assert origin.tolist() == [0, 1]
    assert torch.allclose(logits, own, atol=1e-6)
    assert torch.equal(aims.argmax(1), pool.pseudo_label[[7, 2]])


def test_one_of_gives_every_row_one_view_and_keeps_targets_with_their_rows(model, pool, target):
    selection = hard(pool, list(range(12)))
    both = augmenters.validate(
        {"type": "one_of", "choices": [{"type": "masking"}, {"type": "masking"}]}
    )
    origin, logits, aims = views(both, model, target, selection, torch.arange(12))
    assert origin.sort().values.tolist() == list(range(12))
    assert len(logits) == 12
    assert torch.equal(aims.argmax(1), pool.pseudo_label[:12][origin])


def test_a_stage_trains_on_what_was_selected(model, source, target, pool):
    middle = float(pool.confidence.median())
    half = stage(selector={"type": "fixed", "threshold": middle})
    out = self_training.train(half, model, source, target, pool, tools())
    expected = (pool.confidence >= middle).nonzero().flatten()
    assert torch.equal(out.selection.index, expected)
    assert out.facts["selected"] == len(expected)
    assert set(out.facts["loss"]) == {"target", "source"}


def test_self_training_learns_its_pseudo_labels(tiny_encoder, source, target, pool):
    torch.manual_seed(0)
    model = load(Model(name=str(tiny_encoder), max_length=24), TOPICS)
    said = torch.nn.functional.one_hot(torch.arange(len(pool)) % 3, 3) * 5.0
    pool = replace(pool, logits_NC=said, probs_NC=said.softmax(1))
    many = stage(epochs=40, learning_rate=3e-3, augment=None, source_loss=None)
    self_training.train(many, model, source, target, pool, tools())
    learnt = model.encode(target.tokens, torch.arange(len(pool))).logits.argmax(1)
    assert (learnt == pool.pseudo_label).double().mean() > 0.8


def test_selecting_nothing_is_said_and_changes_nothing(model, source, target, pool):
    before = model.output.weight.clone()
    nobody = stage(selector={"type": "fixed", "threshold": 1.0})
    with pytest.warns(ConlstWarning, match="trusts no row"):
        out = self_training.train(nobody, model, source, target, pool, tools())
    assert len(out.selection.index) == 0
    assert torch.equal(model.output.weight, before)


def test_retraining_goes_through_source_and_selected_rows_as_one_set(
    model, source, target, pool, monkeypatch
):
    """An epoch meets every row once, and in each step they all count alike."""
    taken = []

    def watch(model, epochs, terms_of, *rest):
        taken.extend(terms_of(batch, 0.0) for batch in epochs[0])
        return {}

    monkeypatch.setattr(self_training, "optimise", watch)
    anew = stage(mode="retrain", augment=None, batch_size=6)
    out = self_training.train(anew, model, source, target, pool, tools())
    rows = {"target": 0, "source": 0}
    for terms in taken:
        each = torch.cat([term.loss_B for term in terms])
        total = sum(term.scale * term.mean() for term in terms)
        assert torch.allclose(total, each.mean())
        for term in terms:
            rows[term.name] += len(term.loss_B)
    assert rows == {"target": len(out.selection.index), "source": len(source.rows)}
    assert any(len(terms) == 2 for terms in taken)


def test_what_is_trained_anew_has_the_budget_of_the_source_stage():
    source_stage = SourceStage(epochs=7, learning_rate=1e-3, batch_size=5, warmup=0.3)
    anew = stage(mode="retrain").budgeted(source_stage)
    assert (anew.epochs, anew.learning_rate, anew.batch_size, anew.warmup) == (7, 1e-3, 5, 0.3)
    assert anew.selector == stage().selector
    assert stage().budgeted(source_stage) == stage()


def test_weights_count_in_the_loss(model, source, target, pool, monkeypatch):
    """A selector's weight scales the loss of its row, once."""
    seen = []
    kept = self_training.optimise

    def watch(model, epochs, terms_of, *rest):
        seen.extend(terms_of(epochs[0][0], 0.0))
        return kept(model, epochs, terms_of, *rest)

    class Half(type(stage().selector)):
        def __call__(self, pool, *, generator):
            whole = super().__call__(pool, generator=generator)
            return Selection(whole.index, whole.target_KC, torch.full_like(whole.weight, 0.5))

    monkeypatch.setattr(self_training, "optimise", watch)
    halved = stage().model_copy(update={"selector": Half(threshold=0.3)})
    self_training.train(halved, model, source, target, pool, tools())
    target_term = next(term for term in seen if term.name == "target")
    assert torch.allclose(target_term.mean(), 0.5 * target_term.loss_B.mean())


def test_an_augmenter_of_texts_gives_new_texts_with_the_targets_of_their_origins(
    model, pool, target
):
    class Twice(Augmenter):
        level = "rows"

        def rows(self, rows, *, generator):
            first = list(range(len(rows)))
            return rows.take([*first, *first]), torch.tensor([*first, *first])

    model.eval()
    origin, logits, aims = views(Twice(), model, target, hard(pool, [2, 5]), torch.tensor([1, 0]))
    own = model.encode(target.tokens, torch.tensor([5, 2, 5, 2])).logits
    assert origin.tolist() == [0, 1, 0, 1]
    assert torch.allclose(logits, own, atol=1e-6)
    assert torch.equal(aims.argmax(1), pool.pseudo_label[[5, 2, 5, 2]])


class TestOnline:
    """The selector decides on every batch, by what the model says of it at that step."""

    def test_it_is_asked_for_every_batch_with_the_source_beside(self, model, source, target, pool):
        seen = []

        class Watching(type(stage().selector)):
            def __call__(self, pool, *, generator):
                seen.append(pool)
                return super().__call__(pool, generator=generator)

        online = stage(mode="online", batch_size=8, epochs=2)
        online = online.model_copy(update={"selector": Watching(threshold=0.3)})
        self_training.train(online, model, source, target, pool, tools())
        assert sorted(torch.cat([p.place for p in seen[:3]]).tolist()) == list(range(20))
        assert len(seen) == 6
        for one in seen:
            assert torch.equal(one.probs_NC, one.logits_NC.softmax(1))
            assert one.ids == [pool.ids[i] for i in one.place.tolist()]
            assert one.source.probs_SC.shape == (8, 3)
        last, first = seen[-1], seen[0]
        rows = sorted(set(first.place.tolist()) & set(last.place.tolist()))
        if rows:  # the model has moved between
            before = first.probs_NC[first.place.tolist().index(rows[0])]
            after = last.probs_NC[last.place.tolist().index(rows[0])]
            assert not torch.equal(before, after)

    def test_dropped_rows_are_zeros_in_the_mean(self, model, source, target, pool, monkeypatch):
        terms = []
        kept = self_training.optimise

        def watch(model, epochs, terms_of, *rest):
            terms.extend(terms_of(epochs[0][0], 0.0))
            return kept(model, epochs, terms_of, *rest)

        class First(type(stage().selector)):
            """Keeps one row of a batch."""

            def __call__(self, pool, *, generator):
                keep = torch.arange(len(pool)) == 0
                return Selection.hard(pool, keep)

        monkeypatch.setattr(self_training, "optimise", watch)
        online = stage(mode="online", batch_size=4, target_weight=2.0)
        online = online.model_copy(update={"selector": First(threshold=0.3)})
        out = self_training.train(online, model, source, target, pool, tools())
        (term,) = [term for term in terms if term.name == "target"]
        assert term.scale == pytest.approx(2.0 / 4)
        assert len(term.loss_B) == 1
        assert out.facts["selected"] == len(out.selection.index) == 5

    def test_nobody_selected_trains_the_source_alone(self, model, source, target, pool):
        """At a rate at which nothing is learnt: the fixture's wide logits soon saturate."""
        selector = {"type": "fixed", "threshold": 1.0}
        nobody = stage(mode="online", learning_rate=1e-9, selector=selector)
        with pytest.warns(ConlstWarning, match="never trusted any row"):
            out = self_training.train(nobody, model, source, target, pool, tools())
        assert set(out.facts["loss"]) == {"source"}

    def test_memory_stays_with_the_model(self, model, source, target, pool):
        online = stage(mode="online", selector={"type": "flexmatch", "threshold": 0.34})
        self_training.train(online, model, source, target, pool, tools())
        built = model.built(online.selector)
        assert [key.partition("_")[0] for key in model.parts] == ["selector"]
        assert any(bool((value != -1).any()) for value in built.state_dict().values())
