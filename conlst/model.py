"""The model that is adapted: an encoder with its classifier, and a contrastive head beside it."""

import contextlib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from conlst import processes, recipe
from conlst.arrays import Rows, Sizes, TokenBatch, Tokens
from conlst.errors import BadInput, ConlstWarning
from conlst.hub import out_of_reach
from conlst.inside import reached
from conlst.losses import Loss
from conlst.packing import Packed, end_to_end, packed, packs, unpadded
from conlst.precision import Precision, good_kernels, layers_in_bf16, multiplies_in_bf16
from conlst.selectors import Selector
from conlst.sharing import Shares, gathered, own_chance
from conlst.tokens import budget_batches, even_batches, pad, tokenise
from conlst.transfer import on
from conlst.trust import refuse_unsafe

HEAD_FILE = "contrastive_head.safetensors"
PARTS_FILE = "parts.safetensors"
"""What strategies learnt or remember, beside the weights of the stage that taught them."""
READOUT_FILE = "readout.json"
"""Beside an exported model: the loss that reads probabilities off its logits, if not softmax."""
LEARNT, REMEMBERED = "loss", "selector"
"""How the names of parts begin: what losses learnt, what selectors remember."""


@dataclass(frozen=True)
class Encoded:
    """What one forward pass gives."""

    logits: Tensor
    """float32[B, C]"""
    features: Tensor
    """float32[B, D]: the input of the last linear layer."""


class Classifier(nn.Module):
    """theta_m, theta_cl and theta_con: encoder, classifier and contrastive head.

    The features are whatever enters the last linear layer of the classification model. That is
    the one place that means the same in every encoder family: BERT's pooler output, or the dense
    and tanh of XLM-R's own head (an XLM-R checkpoint carries no trained pooler, so a
    `pooler_output` would be noise). Dropout before that layer is part of them: it makes the second
    view of a text.

    Args:
        network: a `*ForSequenceClassification` model.
        tokenizer: its tokenizer.
        max_length: longest input in tokens.
        languages: of the run, the source's first.
        autocast: the precision context of a forward pass; outputs are float32 in any case.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int = 128,
        languages: Sequence[str] = (),
        autocast: Precision = contextlib.nullcontext,
    ) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.autocast = autocast
        self.classes = label_names(network.config)
        self.output = _last_linear(network, len(self.classes))
        D = self.output.in_features
        self.contrastive = nn.Linear(D, D)
        self.sizes = Sizes(len(self.classes), D, tuple(languages))
        self.parts = nn.ModuleDict()
        """What strategies built: trained and kept with the model."""
        self._plain: dict[str, Any] = {}
        """What strategies built that is no module, so that nothing is built twice."""
        self._kept: dict[str, Tensor] = {}
        """Parts of a checkpoint that nobody has asked for yet."""
        self.readout: Loss | None = None
        """The loss that says how logits become probabilities; None: softmax."""
        self._entering: list[Tensor] = []
        self.output.register_forward_pre_hook(lambda _, args: self._entering.append(args[0]))
        self.segments = getattr(network.config, "type_vocab_size", 0) > 1
        self.counts = 0, 0
        """(tokens, positions) computed since `take_counts`."""
        self._in_bf16 = False
        self._told = False

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    def forward(self, batch: TokenBatch) -> Encoded:
        """Encode and classify a padded batch.

        Its padding is not computed, unless the family is an unknown one or somebody reaches inside
        the encoder (`conlst.inside`), where states are promised as [B, T, D].
        """
        if not self._shares(len(batch)):
            return self._forward(batch)
        lengths_B = batch.attention_BT.sum(1)
        return self._together(lengths_B, lambda rows: self._forward(batch.take(rows)))

    def _forward(self, batch: TokenBatch) -> Encoded:
        if self._lays_rows_end_to_end():
            return self._packed(packed(unpadded(batch), torch.arange(len(batch))))
        inputs = {"input_ids": batch.ids_BT, "attention_mask": batch.attention_BT}
        if self.segments and batch.segments_BT is not None:
            inputs["token_type_ids"] = batch.segments_BT
        self._count(int(batch.attention_BT.sum()), batch.ids_BT.numel())
        return self._computed({name: on(self.device, value) for name, value in inputs.items()})

    def encode(self, tokens: Tokens, rows: Tensor, *, budget: int | None = None) -> Encoded:
        """Encode any rows, in their order; inside, sorted in batches of about `budget` tokens.

        Of several processes, each encodes its share of the rows, and has them all.
        """
        if not self._shares(len(rows)):
            return self._encoded(tokens, rows, budget)
        return self._together(
            tokens.lengths[rows], lambda some: self._encoded(tokens, rows[some], budget)
        )

    def _encoded(self, tokens: Tokens, rows: Tensor, budget: int | None) -> Encoded:
        budget = budget or (4096 if self.device.type == "cpu" else 65536)
        order, parts = self.batches(tokens.lengths[rows], budget), []
        for batch in order:
            if self._lays_rows_end_to_end():
                parts.append(self._packed(packed(tokens, rows[batch])))
            else:
                parts.append(self._forward(pad(tokens, rows[batch], self.tokenizer)))
        back = on(self.device, torch.cat(order).argsort())
        return Encoded(
            torch.cat([part.logits for part in parts])[back],
            torch.cat([part.features for part in parts])[back],
        )

    def _shares(self, rows: int) -> bool:
        """Whether each process encodes some of the rows: whoever reaches inside needs them all."""
        return 1 < processes.many() <= rows and not reached(self.network)

    def _together(self, lengths_B: Tensor, encode: Callable[[Tensor], Encoded]) -> Encoded:
        """Encode this process's share of the rows, and gather those of the others."""
        shares = Shares(lengths_B, processes.many())
        chance = own_chance(self.device) if self.training else contextlib.nullcontext()
        before = self.take_counts()
        try:
            with chance:
                own = encode(shares.rows[processes.number()])
        finally:
            counts, self.counts = self.counts, before
        for told in processes.meet(*counts):
            self._count(*told)
        whole_BX = gathered(torch.cat([own.logits, own.features], 1), shares)
        C = own.logits.shape[1]
        return Encoded(whole_BX[:, :C], whole_BX[:, C:])

    def batches(self, lengths: Tensor, budget: int) -> list[Tensor]:
        """Rows of these lengths in batches of about `budget` computed positions, longest first."""
        cut = even_batches if self._lays_rows_end_to_end() else budget_batches
        return cut(lengths, budget)

    @contextlib.contextmanager
    def for_many_rows(self) -> Iterator[None]:
        """Entered around passes without gradient: under bf16, weights are turned to it once."""
        with self.autocast():
            bf16 = multiplies_in_bf16(self.device)
        if not bf16 or self._in_bf16 or not self._lays_rows_end_to_end():
            yield
            return
        self._in_bf16 = True
        try:
            with layers_in_bf16(self.network):
                yield
        finally:
            self._in_bf16 = False

    def _lays_rows_end_to_end(self) -> bool:
        if not packs(self.network):
            if not self._told:
                self._told = True
                warnings.warn(
                    f"a {self.network.config.model_type} is computed with padding, its rows sorted "
                    "by length: how to leave the padding out is known of BERT, RoBERTa, XLM-R, "
                    "CamemBERT and DistilBERT",
                    ConlstWarning,
                    stacklevel=3,
                )
            return False
        return not reached(self.network)

    def _packed(self, rows: Packed) -> Encoded:
        self._count(rows.ids_1N.numel(), rows.ids_1N.numel())
        with end_to_end(self.network, rows) as inputs:
            return self._computed(inputs)

    def _computed(self, inputs: dict[str, Any]) -> Encoded:
        self._entering.clear()
        with contextlib.ExitStack() as precision:
            if not self._in_bf16:
                precision.enter_context(self.autocast())
                precision.enter_context(good_kernels(self.device))
            logits = self.network(**inputs).logits
        return Encoded(logits.float(), self._entering.pop().float())

    def _count(self, tokens: int, positions: int) -> None:
        self.counts = self.counts[0] + tokens, self.counts[1] + positions

    def classify(self, features: Tensor) -> Tensor:
        """Logits of features, for those that were changed on the way (mixup)."""
        logits: Tensor = self.output(features).float()
        self._entering.clear()
        return logits

    def built(self, part: Loss | Selector, rows: int = 0) -> Any:
        """What is called in a run in the place of a strategy: itself, or the module it builds.

        A module is made once for equal strategies, the same in every run, and stays with the model.

        Args:
            part: the strategy.
            rows: N, of the pool that a selector will be shown batch by batch.
        """
        digest = hashlib.sha256(f"{type(part)}{part.model_dump_json()}".encode()).hexdigest()
        kind = LEARNT if isinstance(part, Loss) else REMEMBERED
        key = f"{kind}_{digest[:16]}"
        if key not in self.parts and key not in self._plain:
            # Asked for first by a pass that learns nothing, or by a run taken up: neither may show.
            with torch.inference_mode(False), torch.random.fork_rng():
                torch.manual_seed(int(digest[:8], 16))
                made = part.build(replace(self.sizes, rows=rows))
                if isinstance(made, nn.Module):
                    self._keep(key, made)
                else:
                    self._plain[key] = made
        return self.parts[key] if key in self.parts else self._plain[key]

    def _keep(self, key: str, made: nn.Module) -> None:
        """Take a module among the parts, with the tensors that a checkpoint holds of it."""
        if kept := self._kept_of(key):
            made.load_state_dict(kept)
        # What selectors are shown is on the CPU, and what they remember too.
        placed = made.to(self.device) if key.startswith(LEARNT) else made
        # In the order of their keys: that of first use would differ in a run taken up.
        self.parts = nn.ModuleDict(dict(sorted({**self.parts, key: placed}.items())))

    def probabilities(self, logits_BC: Tensor, features_BD: Tensor) -> Tensor:
        """float[B, C]: softmax, unless the loss that trained the classifier reads otherwise."""
        if self.readout is None:
            return logits_BC.softmax(1)
        probs_BC: Tensor = self.built(self.readout).probabilities(logits_BC, features_BD)
        return probs_BC

    def project(self, features: Tensor) -> Tensor:
        """Contrastive outputs h = theta_con(features), which the losses of stage 1 compare."""
        projected: Tensor = self.contrastive(features)
        return projected

    def take_counts(self) -> tuple[int, int]:
        """(tokens, positions) computed since the last call: what is between them is padding."""
        counts, self.counts = self.counts, (0, 0)
        return counts

    def tokenise(self, rows: Rows) -> Tokens:
        return tokenise(rows, self.tokenizer, self.max_length)

    def save(self, folder: Path) -> None:
        """Write a folder that `transformers` loads, and the contrastive head beside it."""
        self.export(folder)
        head = {name: value.contiguous() for name, value in self.contrastive.state_dict().items()}
        save_file(head, folder / HEAD_FILE)
        if parts := self.parts_state():
            save_file(parts, folder / PARTS_FILE)

    def export(self, folder: Path) -> None:
        """Write the classifier alone, as any `transformers` user expects it.

        Where a loss reads probabilities otherwise than softmax, what it takes stands beside it.
        """
        with _quiet():
            # One file, however large: `restore` reads one.
            self.network.save_pretrained(folder, max_shard_size="1TB")
        # How it last cut a text is written too, and where all tokens were kept it has cut none.
        self.tokenizer("", truncation=True, max_length=self.max_length)
        self.tokenizer.save_pretrained(folder)
        if self.readout:
            (folder / READOUT_FILE).write_text(self.readout.model_dump_json(), encoding="utf-8")
            learnt = {n: v for n, v in self.parts_state().items() if n.startswith(LEARNT)}
            if learnt:
                save_file(learnt, folder / PARTS_FILE)

    def restore(self, folder: Path) -> None:
        """Take the weights of a folder that `save` wrote into this very model."""
        weights = load_file(folder / "model.safetensors")
        missing, unexpected = self.network.load_state_dict(weights, strict=False)
        if unexpected or set(missing) - set(self.network._tied_weights_keys or ()):
            raise BadInput(f"{folder}: these are the weights of another model")
        self.contrastive.load_state_dict(load_file(folder / HEAD_FILE))
        self.take_parts(folder)

    def take_parts(self, folder: Path | None, *, remembered: bool = True) -> None:
        """Let go of what strategies built, and take what a folder holds of such, if anything.

        Args:
            folder: of a checkpoint; None for nothing.
            remembered: also what selectors remember, which is of one pool alone.
        """
        self.parts = nn.ModuleDict()
        file = folder / PARTS_FILE if folder else None
        held = load_file(file) if file and file.is_file() else {}
        self._kept = {n: v for n, v in held.items() if remembered or n.startswith(LEARNT)}

    def load_parts(self, state: dict[str, Tensor]) -> None:
        """Give strategies what `parts_state` told; also those that are built later."""
        self._kept = state
        for key, module in self.parts.items():
            module.load_state_dict(self._kept_of(key))

    def parts_state(self) -> dict[str, Tensor]:
        """Every part's tensors by `part/name`; also those of a checkpoint that nobody used."""
        now = {
            f"{key}/{name}": value.cpu().contiguous()
            for key, module in self.parts.items()
            for name, value in module.state_dict().items()
        }
        return self._kept | now

    def _kept_of(self, key: str) -> dict[str, Tensor]:
        return {
            name.partition("/")[2]: value
            for name, value in self._kept.items()
            if name.startswith(f"{key}/")
        }


def _last_linear(network: nn.Module, outputs: int) -> nn.Linear:
    fitting = [
        m for m in network.modules() if isinstance(m, nn.Linear) and m.out_features == outputs
    ]
    if not fitting:
        raise BadInput(f"{type(network).__name__} has no linear layer with {outputs} outputs")
    return fitting[-1]


def load(
    section: recipe.Model,
    classes: Sequence[str],
    *,
    fine_tuned: bool = False,
    languages: Sequence[str] = (),
    autocast: Precision = contextlib.nullcontext,
) -> Classifier:
    """The encoder a recipe names, in float32, with a classifier for `classes`.

    Args:
        section: name, revision, longest input, whether code beside the weights may run.
        classes: in order.
        fine_tuned: the classifier must be there already, its label names being `classes`, in that
            order; else a new one is made.
        languages: of the run, the source's first.
        autocast: the precision context of a forward pass.

    Raises:
        BadInput: there is no such model, it is not safe to read, it is shorter than `max_length`,
            or it is not fine-tuned for these classes.
    """
    refuse_unsafe(section.name, trusted=section.trust_remote_code)
    if why := out_of_reach(section.name, section.revision):
        raise BadInput(f"model {why}")
    with _quiet():
        try:
            config, network, lacking, tokenizer = _from_pretrained(section, classes, fine_tuned)
        except BadInput:
            raise
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            first = str(error).strip().partition("\n")[0]
            raise BadInput(f"model {section.name!r} cannot be loaded: {first}") from error
    if fine_tuned and lacking:
        keys = ", ".join(sorted(lacking)[:3])
        raise BadInput(f"model {section.name!r} is not fine-tuned: it lacks {keys}")
    longest = longest_input(config, tokenizer)
    if section.max_length > longest:
        raise BadInput(
            f"model.max_length: found {section.max_length}; "
            f"{section.name!r} takes at most {longest}"
        )
    tokenizer.model_max_length = section.max_length  # an exported model cuts where it was trained
    return Classifier(
        network,
        tokenizer,
        max_length=section.max_length,
        languages=languages,
        autocast=autocast,
    )


def _from_pretrained(
    section: recipe.Model, classes: Sequence[str], fine_tuned: bool
) -> tuple[Any, PreTrainedModel, set[str], PreTrainedTokenizerBase]:
    """(config, network, names of weights that are new, tokenizer)."""
    where = {"revision": section.revision, "trust_remote_code": section.trust_remote_code}
    config = AutoConfig.from_pretrained(section.name, **where)
    if fine_tuned:
        _same_classes(section.name, config, classes)
    config.num_labels = len(classes)
    config.id2label = dict(enumerate(classes))
    config.label2id = {name: i for i, name in enumerate(classes)}
    network, info = AutoModelForSequenceClassification.from_pretrained(
        section.name,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        ignore_mismatched_sizes=not fine_tuned,  # a classifier of another task gives way
        output_loading_info=True,
        **where,
    )
    tokenizer = AutoTokenizer.from_pretrained(section.name, **where)
    return config, network, set(info["missing_keys"]), tokenizer


def label_names(config: Any) -> tuple[str, ...]:
    """A model's class names, in the order of its outputs."""
    return tuple(str(config.id2label[i]) for i in range(config.num_labels))


def _same_classes(name: str, config: Any, classes: Sequence[str]) -> None:
    found = list(label_names(config))
    if found != list(classes):
        raise BadInput(
            f"model {name!r} has the classes {found} and the data {list(classes)}; "
            "set data.classes to the model's, in its order"
        )


def longest_input(config: Any, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens a model can take: its positions, or less where its tokenizer says so."""
    positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    if "roberta" in config.model_type or config.model_type == "camembert":
        positions -= config.pad_token_id + 1  # they count from behind their padding id
    return min(int(positions), int(tokenizer.model_max_length))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The classifier is new: transformers' table of missing weights would only alarm."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        transformers_logging.enable_progress_bar()
