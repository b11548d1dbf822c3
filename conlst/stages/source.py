"""Stage 0: fine-tune encoder and classifier on the labelled source rows."""

from torch import Tensor

from conlst.arrays import LossInput
from conlst.model import Classifier
from conlst.recipe import SourceStage
from conlst.stages.material import Source
from conlst.tokens import length_batches
from conlst.train import Term, Tools, optimise


def train(stage: SourceStage, model: Classifier, source: Source, tools: Tools) -> dict[str, object]:
    """Minimise `loss(f(x_s), y_s)` over the source; returns what the report tells of it."""

    def terms(rows: Tensor) -> list[Term]:
        logits = model.encode(source.tokens, rows).logits
        target = source.one_hot(rows).to(logits.device)
        return [Term("source", stage.loss(LossInput(logits=logits, target=target)))]

    lengths, g = source.tokens.lengths, tools.generator
    epochs = [length_batches(lengths, stage.batch_size, generator=g) for _ in range(stage.epochs)]
    means = optimise(model, epochs, terms, stage, tools, "source: fine-tuning")
    return {"loss": means, "steps": sum(map(len, epochs))}
