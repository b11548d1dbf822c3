"""The sections of a recipe: its fields are a promise to users."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from conlst.augment import Augmenter, augmenters
from conlst.augment.translators import Translator
from conlst.augment.translators import translators as interpreters  # a field bears that name
from conlst.criteria import Criterion, criteria
from conlst.losses import Loss, losses
from conlst.negatives import ComplementaryLabeller, NegativeSampler, labellers
from conlst.negatives import negatives as samplers  # and that one
from conlst.selectors import Selector, selectors

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Model(Section):
    """The multilingual encoder to adapt."""

    name: str = Field(description="hub name, or a folder (starting with ./, ../ or /)")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    max_length: int = Field(128, ge=8, le=8192, description="tokens; longer texts are cut")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware computes in it, fp32 elsewhere"
    )
    trust_remote_code: bool = Field(False, description="run code that comes with the model")


class Columns(Section):
    """Column names; what is left out is guessed from the header, and shown."""

    id: str | None = Field(None, description="equal ids in several languages are translations")
    text: str | None = None
    pair: str | None = Field(None, description="the second text, for pairs such as NLI")
    label: str | None = None
    group: str | None = Field(None, description="accuracy is also reported by it (a genre, say)")


class File(Section):
    """Rows on disk, or on the hub."""

    path: str | None = Field(None, description="CSV, TSV, JSONL or Parquet, also gzipped")
    hub: str | None = Field(None, description="a data set's name on the hub")
    config: str | None = Field(None, description="its configuration, often the language")
    split: str | None = Field(None, description="its split, such as train")
    format: Literal["csv", "tsv", "jsonl", "parquet"] | None = Field(
        None, description="where the file's name does not tell"
    )
    columns: Columns = Columns()
    label_names: dict[str, str] = Field(
        default_factory=dict, description="what a label in the file is called among the classes"
    )

    @model_validator(mode="after")
    def _one_place(self) -> "File":
        if (self.path is None) == (self.hub is None):
            raise PydanticCustomError("place", "name either a 'path' or a 'hub' data set")
        if self.hub and not self.split:
            raise PydanticCustomError("place", "a hub data set needs its 'split', such as train")
        if self.path and (self.config or self.split):
            raise PydanticCustomError(
                "place", "'config' and 'split' go with 'hub', not with 'path'"
            )
        return self


class SourceData(Section):
    language: Language = "en"
    train: File
    dev: File | None = Field(None, description="watched during adaptation to notice a collapse")


class Target(Section):
    unlabelled: File | None = Field(None, description="rows to adapt to; null: only evaluated")
    test: File | None = None
    pool_gold: File | None = Field(
        None, description="labels of the unlabelled rows, joined by id inside the report only"
    )

    @model_validator(mode="after")
    def _gold_has_rows(self) -> "Target":
        if self.pool_gold and not self.unlabelled:
            raise PydanticCustomError(
                "gold", "pool_gold labels the unlabelled rows: there are none"
            )
        return self


class Translation(Section):
    """Texts put into another language by machine, before any stage."""

    rows: Literal["source", "test"] = Field(
        description="source: the labelled rows are joined by their translations into every target "
        "language (translate-train); test: test rows are classified in their translation into the "
        "source's (translate-test)"
    )
    translators: list[Annotated[Translator, interpreters]] = Field(
        default_factory=lambda: [interpreters[name]() for name in ("mbart50", "m2m100")],
        min_length=1,
        description="each way goes to the first that knows it",
    )
    via: dict[Language, Language] = Field(
        default_factory=dict, description="the language between, for targets not reached straight"
    )
    missing: Literal["error", "skip"] = Field(
        "error", description="what becomes of a language that no translator knows"
    )


class Data(Section):
    adapt: Literal["per_language", "joint"] = Field(
        "per_language", description="one adapted model a target, or one for all"
    )
    classes: list[str] | None = Field(
        None, description="in order; null: read off the source, sorted"
    )
    source: SourceData
    targets: dict[Language, Target] = Field(min_length=1)
    translate: Translation | None = Field(None, description="translate-train or translate-test")

    @model_validator(mode="after")
    def _distinct(self) -> "Data":
        if self.classes is not None and len(set(self.classes)) != max(len(self.classes), 2):
            raise PydanticCustomError("classes", "classes must be two or more different names")
        return self

    def languages(self) -> list[str]:
        """Every target, in the recipe's order."""
        return list(self.targets)

    def adapted(self) -> list[str]:
        """Targets with unlabelled rows."""
        return [code for code, target in self.targets.items() if target.unlabelled]


class Optimisation(Section):
    """How a stage's loss is minimised."""

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    classifier_learning_rate: float | None = Field(
        None, gt=0, description="of the last layer, where it should differ"
    )
    batch_size: int = Field(32, ge=1, description="rows (anchors, pseudo-labelled rows) a step")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising rate")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")


class SourceStage(Optimisation):
    """Stage 0: fine-tune on the source labels, or start from a model that is."""

    checkpoint: str | None = Field(
        None, description="a fine-tuned model folder; nothing is trained"
    )
    epochs: int = Field(3, ge=1)
    learning_rate: float = Field(2e-5, gt=0)
    augment: Annotated[Augmenter, augmenters] | None = Field(
        None, description="strong views of the source rows; null: the rows as they are"
    )
    loss: Annotated[Loss, losses] = Field(default_factory=lambda: losses["cross_entropy"]())


class ContrastiveStage(Optimisation):
    """Stage 1: contrastive negative learning (Eq. 4-8)."""

    epochs: int = Field(1, ge=1)
    learning_rate: float = Field(2e-6, gt=0)
    confident: Annotated[Selector, selectors] = Field(
        default_factory=lambda: selectors["fixed"](),
        description="who is confident: candidates for negatives",
    )
    complement: Annotated[ComplementaryLabeller, labellers] = Field(
        default_factory=lambda: labellers["confidence_gated"]()
    )
    draw: Literal["one", "all"] = Field(
        "one",
        description="one: each step draws one complementary label an anchor; all: it keeps the set",
    )
    negatives: Annotated[NegativeSampler, samplers] | None = Field(
        default_factory=lambda: samplers["uniform"]()
    )
    loss: Annotated[Loss, losses] = Field(default_factory=lambda: losses["contrastive_negative"]())
    source_loss: Annotated[Loss, losses] | None = Field(default_factory=lambda: losses["clcs"]())
    source_weight: float = Field(0.001, ge=0, description="lambda of Eq. 8")
    curve: int = Field(8, ge=0, description="times the pool is labelled during the stage (Fig. 5)")


class SelfTrainingStage(Optimisation):
    """Stage 2: train on the pseudo-labels a selector trusts, under strong views (Eq. 12-14)."""

    mode: Literal["offline", "online", "retrain"] = Field(
        "offline",
        description="offline: select from the whole pool once an iteration; online: from every "
        "batch, by what the model says at that step; retrain: once an iteration, which then is the "
        "source stage again, with its budget, over source and selected rows together",
    )
    iterations: int = Field(4, ge=1)
    epochs: int = Field(3, ge=1)
    learning_rate: float = Field(2e-5, gt=0)
    reinit: Literal["continue", "pretrained", "source", "contrastive"] = Field(
        "continue", description="the weights an iteration starts from"
    )
    selector: Annotated[Selector, selectors] = Field(
        default_factory=lambda: selectors["flexmatch"]()
    )
    augment: Annotated[Augmenter, augmenters] | None = Field(
        default_factory=lambda: augmenters.validate(
            {"type": "one_of", "choices": [{"type": "masking"}, {"type": "mixup"}]}
        )
    )
    loss: Annotated[Loss, losses] = Field(default_factory=lambda: losses["cross_entropy"]())
    source_loss: Annotated[Loss, losses] | None = Field(
        default_factory=lambda: losses["cross_entropy"]()
    )
    target_weight: float = Field(1.0, gt=0, description="lambda of Eq. 12")
    stop: Annotated[Criterion, criteria] | None = Field(
        None, description="ends self-training early, by a figure without target labels"
    )

    def budgeted(self, source: SourceStage) -> "SelfTrainingStage":
        """With the budget that holds: that of the source stage for what trains as it did."""
        if self.mode != "retrain":
            return self
        return self.model_copy(update={k: getattr(source, k) for k in Optimisation.model_fields})


class Recipe(Section):
    """A whole run."""

    conlst: Literal[1] = Field(description="version of the recipe format")
    name: FolderName = "run"
    description: str = ""
    seed: int = Field(13, ge=0, lt=2**32)
    model: Model
    data: Data
    source: SourceStage = SourceStage()
    contrastive: ContrastiveStage | None = ContrastiveStage()
    self_training: SelfTrainingStage | None = SelfTrainingStage()
    trackers: list[Literal["tensorboard", "wandb", "mlflow"]] = Field(default_factory=list)

    def languages(self) -> list[str]:
        """Every target, in the recipe's order."""
        return self.data.languages()

    def adapted(self) -> list[str]:
        """Targets with unlabelled rows."""
        return self.data.adapted()
