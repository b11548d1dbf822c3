"""The pseudo-label pass: probabilities and features of many rows, fast."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from conlst import train
from conlst.arrays import Rows, Tokens
from conlst.errors import BadInput
from conlst.model import Classifier, Encoded, label_names, load, longest_input, refuse_pickle
from conlst.progress import Progress
from conlst.recipe import Model
from conlst.tokens import budget_batches, pad


@torch.inference_mode()
def label(
    model: Classifier, tokens: Tokens, progress: Progress, what: str, *, budget: int = 4096
) -> Encoded:
    """Logits and features of all rows, in their order, on the CPU, without dropout.

    Rows are sorted by length and cut into batches of at most `budget` tokens, so little padding is
    computed; a row's result does not depend on its neighbours.
    """
    model.eval()
    N, C, D = len(tokens), len(model.classes), model.output.in_features
    logits_NC, features_ND = torch.empty(N, C), torch.empty(N, D)
    with progress.task(what, N) as advance:
        for rows in budget_batches(tokens.lengths, budget):
            out = model(pad(tokens, rows, model.tokenizer))
            logits_NC[rows], features_ND[rows] = out.logits.cpu(), out.features.cpu()
            advance(len(rows))
    return Encoded(logits_NC, features_ND)


def classify(folder: Path, rows: Rows, progress: Progress) -> tuple[list[str], Tensor]:
    """Class names and probabilities float[N, C] of texts, by a model folder.

    Raises:
        BadInput: the folder holds no fine-tuned classifier, or only pickled weights.
    """
    name = str(folder.resolve())
    refuse_pickle(name)
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().partition("\n")[0]
        raise BadInput(f"model {name!r} cannot be loaded: {first}") from error
    classes = list(label_names(config))
    if len(classes) < 2:
        raise BadInput(f"{folder}: a classifier has two or more classes; found {classes}")
    longest = longest_input(config, tokenizer)
    section = Model(name=name, max_length=min(longest, 8192))
    accelerator = train.accelerator(section.precision)
    model = load(section, classes, fine_tuned=True, autocast=accelerator.autocast)
    model = model.to(accelerator.device)
    encoded = label(model, model.tokenise(rows), progress, "predicting")
    return classes, encoded.logits.softmax(1)
