import math

import pytest
import torch

from conlst.stages.collapse import effective_classes, pool_symptoms, source_symptoms


def slow_perplexity(labels):
    shares = [labels.count(c) / len(labels) for c in set(labels)]
    return math.exp(-sum(p * math.log(p) for p in shares))


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 1], [2, 2, 2, 2], [0, 1, 1, 3, 3, 3]])
def test_effective_classes_is_the_perplexity_of_the_shares(labels):
    assert effective_classes(torch.tensor(labels), 4) == pytest.approx(slow_perplexity(labels))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_one_class_taking_all_is_a_collapse_whatever_the_number_of_classes(classes):
    balanced, one = torch.arange(210) % classes, torch.zeros(210, dtype=torch.long)
    (told,) = pool_symptoms(balanced, one, classes)
    assert f"from {classes}.0 to 1.0 effective classes of {classes}" in told
    assert "one class now takes 100 %" in told


def test_one_class_is_a_collapse_also_where_there_was_little_before():
    little, one = torch.tensor([0] * 97 + [1] * 3), torch.zeros(100, dtype=torch.long)
    assert pool_symptoms(little, one, 3)
    assert pool_symptoms(one, one, 3) == []


def test_losing_the_source_is_a_collapse():
    assert source_symptoms(0.80, 0.40) == ["accuracy on the source fell from 80.0 to 40.0 %"]
    assert source_symptoms(0.80, 0.75) == []


def test_ordinary_change_is_none():
    labels = torch.arange(90) % 3
    changed = labels.clone()
    changed[:20] = 0
    assert pool_symptoms(labels, changed, 3) == []
