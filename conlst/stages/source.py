"""Stage 0: fine-tune encoder and classifier on the labelled source rows."""

from dataclasses import replace

from torch import Tensor

from conlst.model import Classifier
from conlst.recipe import SourceStage
from conlst.stages.material import Source
from conlst.stages.views import strong_views
from conlst.tokens import length_batches
from conlst.train import Term, Tools, optimise


def train(stage: SourceStage, model: Classifier, source: Source, tools: Tools) -> dict[str, object]:
    """Minimise `loss(f(A(x_s)), y_s)` over the source; returns what the report tells of it."""
    lengths, g = source.tokens.lengths, tools.generator
    loss = model.built(stage.loss)

    def terms(rows: Tensor, progress: float) -> list[Term]:
        batch = source.batch(rows)
        _, x = strong_views(stage.augment, model, batch, stage.loss, generator=g)
        return [Term("source", loss(replace(x, progress=progress)))]

    epochs = [length_batches(lengths, stage.batch_size, generator=g) for _ in range(stage.epochs)]
    means = optimise(model, epochs, terms, stage, tools, "source: fine-tuning")
    return {"loss": means, "steps": sum(map(len, epochs))}
