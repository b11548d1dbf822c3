"""Views: partners from the source, states, and what a loss compares them with."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from conlst.augment import Augmenter, augmenters
from conlst.losses import Loss, losses
from conlst.stages.views import looks_of, strong_views
from tests.stages.test_contrastive import (  # noqa: F401  (fixtures)
    model,
    source,
    target,
)


class Comparing(Loss):
    needs: ClassVar = frozenset({"target", "clean", "embeddings", "attentions"})
    layer: int = 1

    def __call__(self, x):
        return x.logits.sum(1)


def views(augment, model, target, loss, rows=(0, 3, 5, 7), **more):
    rows = torch.tensor(rows)
    aims = torch.nn.functional.one_hot(rows % 3, 3).float()
    g = torch.Generator().manual_seed(0)
    return strong_views(augment, model, target.batch(rows, aims), loss, generator=g, **more)


def part(kind, **recipe):
    return kind.validate(recipe)


CE = part(losses, type="cross_entropy")


def test_a_loss_that_compares_is_given_the_rows_as_they_are(model, target):
    model.eval()
    masking = part(augmenters, type="masking", rate=0.5)
    both = part(augmenters, type="one_of", choices=[{"type": "masking", "rate": 0.9}] * 2)
    for augment in (masking, both, None):
        origin, x = views(augment, model, target, Comparing())
        own = model.encode(target.tokens, torch.tensor([0, 3, 5, 7])[origin]).logits
        assert torch.allclose(x.clean_logits, own, atol=1e-5)
        assert x.embedding.shape == x.clean_embedding.shape == (4, 32)
        assert x.attention[1].shape == x.clean_attention[1].shape
        same = torch.allclose(x.attention[1], x.clean_attention[1], atol=1e-6)
        assert same == (augment is None)
        assert torch.allclose(x.embedding, x.clean_embedding, atol=1e-6) == (augment is None)


def test_what_no_loss_asks_for_is_not_computed(model, target):
    model.take_counts()
    _, x = views(None, model, target, CE)
    assert x.clean_logits is x.embedding is x.clean_embedding is None
    assert x.attention == {}
    assert model.take_counts()[0] == int(target.tokens.lengths[[0, 3, 5, 7]].sum())


def test_looks_are_those_of_every_part_of_a_sum():
    assert looks_of(Comparing()).attention == (1,)
    assert not looks_of(CE)


class Halfway(Augmenter):
    """Every row takes the states, or features, of the source row beside it, and its target."""

    level: ClassVar = "states"
    needs: ClassVar = frozenset({"source"})
    at: int = 1

    @property
    def at_layer(self):
        return self.at

    def states(self, points, *, generator):
        assert points.source is not None
        return replace(points.source, source=points.source)

    def features(self, points, *, generator):
        return points.source


class Pooled(Halfway):
    level: ClassVar = "features"


@pytest.mark.parametrize("augment", [Halfway(at=0), Halfway(at=2), Pooled()])
def test_partners_stand_beside_the_rows_in_one_pass(model, source, target, augment):
    """A row that takes all of its partner says what the partner says, whatever their lengths."""
    model.eval()
    partners = source.batch(torch.tensor([4, 9]))  # fewer than rows: they take turns
    _, x = views(augment, model, target, CE, partners=partners)
    own = model.encode(source.tokens, torch.tensor([4, 9, 4, 9])).logits
    assert torch.allclose(x.logits, own, atol=1e-5)
    assert torch.equal(x.target, source.one_hot(torch.tensor([4, 9, 4, 9])))


def test_an_augmenter_of_source_rows_without_any_is_a_defect(model, target):
    with pytest.raises(ValueError, match="needs source rows"):
        views(Pooled(), model, target, CE)


@pytest.mark.parametrize("where", ["embeddings", 1, "pooled"])
def test_mixup_anywhere_teaches_the_embeddings(model, target, where):
    mixup = part(augmenters, type="mixup", where=where)
    _, x = views(mixup, model, target, CE)
    CE(x).mean().backward()
    assert model.network.get_input_embeddings().weight.grad.abs().sum() > 0
    assert ((x.target > 0).sum(1) > 1).any()


def test_noise_on_embeddings_changes_what_is_said_and_only_a_little(model, target):
    model.eval()
    noise = part(augmenters, type="embedding_noise", eps=1e-3)
    _, x = views(noise, model, target, CE)
    _, plain = views(None, model, target, CE)
    assert not torch.equal(x.logits, plain.logits)
    assert torch.allclose(x.features, plain.features, atol=0.05)
