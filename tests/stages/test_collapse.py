import math

import pytest
import torch

from conlst.stages.collapse import effective_classes, symptoms


def slow_perplexity(labels):
    shares = [labels.count(c) / len(labels) for c in set(labels)]
    return math.exp(-sum(p * math.log(p) for p in shares))


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 1], [2, 2, 2, 2], [0, 1, 1, 3, 3, 3]])
def test_effective_classes_is_the_perplexity_of_the_shares(labels):
    assert effective_classes(torch.tensor(labels), 4) == pytest.approx(slow_perplexity(labels))


def test_one_class_taking_all_is_a_collapse():
    balanced, one = torch.arange(90) % 3, torch.zeros(90, dtype=torch.long)
    told = symptoms(balanced, one, 3, 0.8, 0.8)
    assert len(told) == 1
    assert "from 3.0 to 1.0 effective classes of 3 (one class now takes 100 %" in told[0]


def test_losing_the_source_is_a_collapse():
    labels = torch.arange(90) % 3
    told = symptoms(labels, labels.roll(1), 3, 0.80, 0.40)
    assert told == ["accuracy on the source fell from 80.0 to 40.0 %"]


def test_ordinary_change_is_none():
    labels = torch.arange(90) % 3
    changed = labels.clone()
    changed[:20] = 0
    assert symptoms(labels, changed, 3, 0.80, 0.75) == []
