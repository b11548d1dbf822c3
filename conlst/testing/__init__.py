"""The contracts as checks that anyone's strategies can be held to.

A strategy of your own is tested in one line for each set of parameters:

    from conlst.testing import check

    def test_it_keeps_the_contract():
        check(MySelector(margin=0.2))

or, promise by promise, by a class that needs only a fixture:

    from conlst.testing import Contract

    class TestMySelector(Contract):
        @pytest.fixture(params=[MySelector(margin=0.2), MySelector(margin=0.5)])
        def part(self, request):
            return request.param

`Documented`, in the place of `Contract`, also asks for the docstring that conlst's own parts have.
`check` does what fits the kind: `check_selector`, `check_labeller`, `check_sampler`,
`check_augmenter`, `check_translator`, `check_loss` or `check_criterion`, after `check_strategy`,
which holds for all. Each raises an AssertionError that says what was promised. The builders
(`random_pool`, `pool_of`, `edge_pools`, `random_tokens`, `random_points`, `random_loss_input`) make
the inputs they use.
"""

from conlst.testing.augment import check_augmenter, check_translator
from conlst.testing.builders import (
    edge_pools,
    pool_of,
    random_loss_input,
    random_points,
    random_pool,
    random_tokens,
)
from conlst.testing.contract import Contract, Documented, check, check_kind
from conlst.testing.criteria import check_criterion
from conlst.testing.losses import check_loss
from conlst.testing.negatives import check_labeller, check_sampler
from conlst.testing.selectors import check_selector
from conlst.testing.strategies import check_strategy

__all__ = [
    "Contract",
    "Documented",
    "check",
    "check_augmenter",
    "check_criterion",
    "check_kind",
    "check_labeller",
    "check_loss",
    "check_sampler",
    "check_selector",
    "check_strategy",
    "check_translator",
    "edge_pools",
    "pool_of",
    "random_loss_input",
    "random_points",
    "random_pool",
    "random_tokens",
]
