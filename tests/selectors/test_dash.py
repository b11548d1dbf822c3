import math
import warnings
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from conlst.arrays import Sizes, SourceView
from conlst.errors import ConlstWarning
from conlst.selectors.dash import Dash
from conlst.testing import check, pool_of, random_pool

pytestmark = pytest.mark.filterwarnings("ignore::conlst.errors.ConlstWarning")
GENERATOR = torch.Generator()


@pytest.mark.parametrize("dash", [Dash(), Dash(gamma=1, steps=1), Dash(scale=0.3)], ids=repr)
def test_it_keeps_its_contract(dash):
    check(dash)


def with_source(probs, losses, **others):
    """A pool beside source rows of these losses, all of class a."""
    own_S = torch.exp(-torch.tensor(losses))
    view = SourceView(
        torch.stack([own_S, 1 - own_S], 1),
        torch.zeros(len(losses), 1),
        torch.zeros(len(losses), dtype=torch.int64),
    )
    return pool_of(probs, source=view, **others)


def slow_source_loss(pool):
    pairs = zip(pool.source.probs_SC.tolist(), pool.source.label.tolist(), strict=True)
    losses = [-math.log(s[y]) for s, y in pairs]
    return sum(losses) / len(losses)


def slow_kept(pool, rho):
    return [n for n, q in enumerate(pool.probs_NC.tolist()) if -math.log(max(q)) <= rho]


@pytest.mark.oracle("selectors.dash")
@pytest.mark.parametrize("round_", [0, 1, 2, 5, 40])
@pytest.mark.parametrize("settings", [(1.27, 1.0001, 0.05), (2.0, 0.2, 0.3), (1.0, 0.1, 0.01)])
@pytest.mark.parametrize("C", [2, 4])
def test_it_agrees_with_a_slow_loop(round_, settings, C):
    gamma, scale, rho_min = settings
    pool = replace(random_pool(80, C, seed=round_, source=15), round=round_)
    rho = max(scale * slow_source_loss(pool) / gamma ** max(round_ - 1, 0), rho_min)
    dash = Dash(gamma=gamma, scale=scale, rho_min=rho_min)
    assert dash(pool, generator=GENERATOR).index.tolist() == slow_kept(pool, rho)


def steps(N, B, epochs, C=3):
    """Batches of a pool whose predictions, and source batch, change at every step."""
    generator, seed = torch.Generator().manual_seed(5), 0
    for _ in range(epochs):
        for chunk in torch.randperm(N, generator=generator).split(B):
            seed += 1
            yield random_pool(N, C, seed=seed, source=6).take(chunk)


@pytest.mark.oracle("selectors.dash")
@pytest.mark.parametrize("every", [1, 3, 50])
@pytest.mark.parametrize("scale", [1.0001, 0.3])
@pytest.mark.parametrize("C", [2, 4])
def test_online_it_agrees_with_a_slow_loop(every, scale, C):
    dash = Dash(scale=scale, steps=every)
    online = dash.build(Sizes(C, 8, ("sw", "th"), 30))
    first, sizes = [], set()
    for step, batch in enumerate(steps(30, 7, 3, C)):
        if step < every:
            first.append(slow_source_loss(batch))
        rho_0 = sum(first) / len(first)
        rho = max(scale * 1.27 ** -(step // every) * rho_0, 0.05)
        kept = slow_kept(batch, rho)
        assert online(batch, generator=GENERATOR).index.tolist() == kept
        assert online.rho_0.item() == pytest.approx(rho_0, rel=1e-5)
        sizes.add(len(kept))
    assert len(sizes) > 1


def test_rho_falls_by_gamma_each_round_until_it_is_rho_min():
    probs = [[math.exp(-x), 1 - math.exp(-x)] for x in (0.04, 0.11, 0.21, 0.41, 0.6)]
    dash, kept = Dash(gamma=2, scale=1), []
    for k in (0, 1, 2, 3, 4, 5, 5000):
        pool = with_source(probs, [0.3, 0.54], round=k)
        kept.append(len(dash(pool, generator=GENERATOR).index))
    assert kept == [4, 4, 3, 1, 1, 1, 1]


def test_source_rows_known_by_heart_ask_for_rho_min_from_the_start():
    pool = with_source([[0.952, 0.048], [0.95, 0.05], [0.04, 0.96]], [0.0, 0.0])
    assert Dash()(pool, generator=GENERATOR).index.tolist() == [0, 2]


def test_a_source_row_of_probability_zero_does_not_make_rho_infinite():
    pool = with_source([[0.9, 0.1]], [math.inf] + [0.0] * 99)
    assert Dash().source_loss(pool).item() == pytest.approx(30 * math.log(10) / 100)


def test_the_probability_is_that_of_the_true_label_not_the_largest():
    seen = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    view = SourceView(seen, torch.zeros(2, 1), torch.tensor([0, 1]))
    loss = Dash().source_loss(pool_of([[0.9, 0.1]], source=view))
    assert loss.item() == pytest.approx(-(math.log(0.9) + math.log(0.1)) / 2)


def test_online_the_source_loss_holds_from_the_first_fall_on():
    online = Dash(steps=2).build(Sizes(2, 1, ("sw",), 1))
    found = []
    for loss in (0.4, 0.2, 0.01, 0.01):
        online(with_source([[0.9, 0.1]], [loss]), generator=GENERATOR)
        found.append(online.rho_0.item())
    assert found == pytest.approx([0.4, 0.3, 0.3, 0.3])
    assert online.step == 4


def test_what_is_saved_halfway_goes_on_the_same():
    batches = list(steps(30, 7, 2))
    online, other = (Dash(steps=3, scale=0.5).build(Sizes(3, 8, ("sw",), 30)) for _ in range(2))
    for batch in batches[:5]:
        online(batch, generator=GENERATOR)
    other.load_state_dict(online.state_dict())
    for batch in batches[5:]:
        a, b = (one(batch, generator=GENERATOR) for one in (online, other))
        assert a.index.tolist() == b.index.tolist()


def test_without_source_rows_it_says_what_is_missing():
    for call in (Dash(), Dash().build(Sizes(3, 8, ("sw", "th"), 6))):
        with pytest.raises(ValueError, match=r"needs pool\.source"):
            call(random_pool(6), generator=GENERATOR)


def test_an_empty_pool_selects_none():
    empty = random_pool(6, source=4).take(torch.tensor([], dtype=torch.int64))
    assert len(Dash()(empty, generator=GENERATOR).index) == 0


def test_a_source_loss_of_chance_is_warned_of():
    with pytest.warns(ConlstWarning, match=r"dash \(sw\).* a, b are at most 1/C = 0\.500"):
        chosen = Dash()(with_source([[0.5, 0.5]], [0.7, 0.7]), generator=GENERATOR)
    assert chosen.index.tolist() == [0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Dash()(with_source([[0.5, 0.5]], [0.6, 0.6]), generator=GENERATOR)


def test_online_the_warning_comes_once_and_after_the_first_pass():
    pool, when = with_source([[0.9, 0.1]] * 6, [0.8]), []
    online = Dash().build(Sizes(2, 8, pool.languages, 6))
    for step in range(9):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            online(pool.take(torch.arange(2) + step % 3 * 2), generator=GENERATOR)
        when += [step] * len(caught)
    assert when == [2]


@pytest.mark.parametrize("wrong", [{"gamma": 0.9}, {"scale": 0}, {"rho_min": 0}, {"steps": 0}])
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Dash.model_validate(wrong)
