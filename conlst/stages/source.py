"""Stage 0: fine-tune encoder and classifier on the labelled source rows."""

from torch import Tensor

from conlst.arrays import LossInput
from conlst.model import Classifier
from conlst.recipe import SourceStage
from conlst.stages.material import Source
from conlst.stages.views import Batch, strong_views
from conlst.tokens import length_batches
from conlst.train import Term, Tools, optimise


def train(stage: SourceStage, model: Classifier, source: Source, tools: Tools) -> dict[str, object]:
    """Minimise `loss(f(A(x_s)), y_s)` over the source; returns what the report tells of it."""
    lengths, g = source.tokens.lengths, tools.generator

    def terms(rows: Tensor) -> list[Term]:
        target = source.one_hot(rows)
        if stage.augment:
            batch = Batch(source.rows, source.tokens, rows, target)
            views = strong_views(stage.augment, model, batch, generator=g)
            logits, target = views.logits, views.target
        else:
            logits = model.encode(source.tokens, rows).logits
        x = LossInput(logits=logits, target=target.to(logits.device))
        return [Term("source", stage.loss(x))]

    epochs = [length_batches(lengths, stage.batch_size, generator=g) for _ in range(stage.epochs)]
    means = optimise(model, epochs, terms, stage, tools, "source: fine-tuning")
    return {"loss": means, "steps": sum(map(len, epochs))}
