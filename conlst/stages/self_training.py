"""Stage 2, one iteration: train on the trusted pseudo-labels under strong views (Eq. 12-14).

L = CE(source) + lambda * w_i * CE(y_i, f(A(x_i)))   over the rows i that the selector kept
"""

import warnings
from dataclasses import dataclass

from torch import Tensor

from conlst.arrays import LossInput, Pool, Selection
from conlst.errors import ConlstWarning
from conlst.model import Classifier
from conlst.recipe import SelfTrainingStage
from conlst.stages.material import Source, Target
from conlst.stages.views import Batch, strong_views
from conlst.tokens import endless_batches, length_batches
from conlst.train import Term, Tools, optimise


@dataclass(frozen=True)
class Outcome:
    """What an iteration leaves beside the changed model."""

    facts: dict[str, object]
    selection: Selection


def train(
    stage: SelfTrainingStage,
    model: Classifier,
    source: Source,
    target: Target,
    pool: Pool,
    tools: Tools,
) -> Outcome:
    """Select from the pool and train on what was selected, beside as many source rows."""
    g, B = tools.generator, stage.batch_size
    selection = stage.selector(pool, generator=g)
    facts: dict[str, object] = {"selected": len(selection.index), "rows": len(pool)}
    if len(selection.index) == 0:
        warnings.warn(
            "the selector trusts no row: this iteration trains nothing", ConlstWarning, stacklevel=2
        )
        return Outcome(facts, selection)
    sources = endless_batches(source.tokens.lengths, B, generator=g)

    def terms(chosen_B: Tensor) -> list[Term]:
        rows_B, target_BC = selection.index[chosen_B], selection.target_KC[chosen_B]
        batch = Batch(target.rows, target.tokens, rows_B, target_BC)
        views = strong_views(stage.augment, model, batch, generator=g)
        weight = selection.weight[chosen_B][views.origin].to(views.logits.device)
        loss = stage.loss(LossInput(logits=views.logits, target=views.target))
        out = [Term("target", loss, stage.target_weight, weight)]
        if stage.source_loss:
            rows = next(sources)
            seen = model.encode(source.tokens, rows).logits
            y = LossInput(logits=seen, target=source.one_hot(rows).to(seen.device))
            out.append(Term("source", stage.source_loss(y)))
        return out

    lengths = target.tokens.lengths[selection.index]
    epochs = [length_batches(lengths, B, generator=g) for _ in range(stage.epochs)]
    what = f"stage 2: self-training, iteration {pool.round}"
    means = optimise(model, epochs, terms, stage, tools, what)
    return Outcome(facts | {"loss": means, "steps": sum(map(len, epochs))}, selection)
