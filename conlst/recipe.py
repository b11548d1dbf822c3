"""The recipe: everything a run depends on, as data.

Settings (model, data, budget) and methods (stages) are separate files joined by `extends`; every
ablation is a value. A recipe is checked whole before anything runs, and all its faults are told at
once, each with its JSON path.
"""

import copy
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from conlst.augment import Augmenter, augmenters
from conlst.errors import BadInput, allowed
from conlst.losses import Loss, losses
from conlst.negatives import ComplementaryLabeller, NegativeSampler, labellers
from conlst.negatives import negatives as samplers  # a section's own field bears that name
from conlst.registry import Registry, json_schema
from conlst.selectors import Selector, selectors

PACKAGED = Path(__file__).parent / "recipes"

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


class Data(Section):
    adapt: Literal["per_language", "joint"] = Field(
        "per_language", description="one adapted model a target, or one for all"
    )
    classes: list[str] | None = Field(
        None, description="in order; null: read off the source, sorted"
    )
    source: SourceData
    targets: dict[Language, Target] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> "Data":
        if self.classes is not None and len(set(self.classes)) != max(len(self.classes), 2):
            raise PydanticCustomError("classes", "classes must be two or more different names")
        return self


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
    negatives: Annotated[NegativeSampler, samplers] | None = Field(
        default_factory=lambda: samplers["uniform"]()
    )
    loss: Annotated[Loss, losses] = Field(default_factory=lambda: losses["contrastive_negative"]())
    source_loss: Annotated[Loss, losses] | None = Field(default_factory=lambda: losses["clcs"]())
    source_weight: float = Field(0.001, ge=0, description="lambda of Eq. 8")
    curve: int = Field(8, ge=0, description="times the pool is labelled during the stage (Fig. 5)")


class SelfTrainingStage(Optimisation):
    """Stage 2: train on the pseudo-labels a selector trusts, under strong views (Eq. 12-14)."""

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
        return list(self.data.targets)

    def adapted(self) -> list[str]:
        """Targets with unlabelled rows."""
        return [code for code, target in self.data.targets.items() if target.unlabelled]


def parts_that_do_not_fit(recipe: Recipe) -> list[str]:
    """What no single section can see: parts that need what the others do not give them."""
    faults = []
    if (recipe.contrastive or recipe.self_training) and not recipe.adapted():
        faults.append(
            "data.targets: no target has unlabelled rows, so there is nothing to adapt to"
        )

    def fits(path: str, part: Loss | None, given: set[str]) -> None:
        if part is not None:
            faults.extend(
                f"{path}: {part.name!r} needs {need}, which is not given here; "
                f"given: {', '.join(sorted(given))}"
                for need in sorted(part.needs - given)
            )

    fits("source.loss", recipe.source.loss, {"target"})
    if stage := recipe.contrastive:
        drawn = {"negatives"} if stage.negatives else set()
        fits("contrastive.loss", stage.loss, {"complement", "views"} | drawn)
        fits("contrastive.source_loss", stage.source_loss, {"target", "complement"})
        if stage.negatives and "negatives" not in stage.loss.needs:
            faults.append(
                f"contrastive.negatives: the loss {stage.loss.name!r} uses no negatives; "
                "allowed: null"
            )
    if loop := recipe.self_training:
        fits("self_training.loss", loop.loss, {"target"})
        fits("self_training.source_loss", loop.source_loss, {"target"})
        if loop.reinit == "contrastive" and recipe.contrastive is None:
            faults.append(
                "self_training.reinit: 'contrastive', but there is no such stage; "
                "allowed: continue, pretrained, source"
            )
    return faults


def schema() -> dict[str, Any]:
    """JSON Schema of a recipe, every strategy's parameters listed, for editors."""
    return json_schema(Recipe)


def packaged() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(
        p.relative_to(PACKAGED).with_suffix("").as_posix() for p in PACKAGED.rglob("*.json")
    )


def load(recipe: "str | Path | Mapping[str, Any] | Recipe", edits: Iterable[str] = ()) -> Recipe:
    """Read, merge, edit and check a recipe.

    Args:
        recipe: a path, the name of a packaged recipe, a dict (paths in it are relative to the
            working directory), or a recipe already checked.
        edits: `path=value` lines, applied before validation; a value is JSON, or else a string.

    Raises:
        BadInput: every fault at once, each with its JSON path, what was found and what is allowed.
    """
    if isinstance(recipe, Recipe):
        where, raw = "recipe", recipe.model_dump(mode="json")
    elif isinstance(recipe, Mapping):
        raw = copy.deepcopy(dict(recipe))  # edits must not reach into the caller's dict
        where, raw = "recipe", _extended(_anchored(raw, Path.cwd()), Path.cwd(), ())
    else:
        path = find(str(recipe))
        where, raw = path.name, _read(path, ())
    for edit in edits:
        _edit(raw, edit)
    raw = _expanded(raw)
    try:
        checked = Recipe.model_validate(raw)
    except ValidationError as error:
        lines = [_line(raw, fault) for fault in error.errors()]
        raise BadInput(f"{where}: {len(lines)} fault(s)\n" + "\n".join(lines)) from None
    if faults := parts_that_do_not_fit(checked):
        lines = [f"  {fault}" for fault in faults]
        raise BadInput(f"{where}: {len(lines)} fault(s)\n" + "\n".join(lines))
    return checked


def merged(recipe: str) -> dict[str, Any]:
    """What a recipe file says after `extends`, unchecked: a method alone is no whole recipe."""
    return _read(find(recipe), ())


def find(name: str) -> Path:
    """The file of a recipe given by path or by packaged name."""
    return Path(name).resolve() if os.path.isfile(name) else _inside(name)


def _inside(name: str) -> Path:
    inside = PACKAGED / f"{name}.json"
    if os.path.isfile(inside) and inside.resolve().is_relative_to(PACKAGED.resolve()):
        return inside
    raise BadInput(
        f"no recipe file {name!r}, and no packaged recipe of that name; "
        + allowed(name, packaged())
    )


def _read(path: Path, trail: tuple[Path, ...]) -> dict[str, Any]:
    if path in trail:
        raise BadInput("extends runs in a circle: " + " -> ".join(p.name for p in (*trail, path)))
    try:
        raw = json.loads(
            path.read_text(encoding="utf-8-sig"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
        )
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path.name}: not JSON: {error}") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path.name}: a recipe is a JSON object; found {type(raw).__name__}")
    return _extended(_anchored(raw, path.parent), path.parent, (*trail, path))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise BadInput(f"the key {twice[0]!r} stands twice in one object")
    return dict(pairs)


def _no_constant(text: str) -> float:
    raise BadInput(f"{text} is no JSON number")


def _anchored(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make paths relative to the file they stand in, so that a recipe works from any folder."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        out = {k: v if k == "label_names" else walk(v) for k, v in node.items()}
        if isinstance(out.get("path"), str):
            out["path"] = str((folder / out["path"]).resolve())
        return out

    def local(section: str, key: str) -> None:
        value = raw[section].get(key) if isinstance(raw.get(section), dict) else None
        if isinstance(value, str) and value.startswith(("./", "../")):
            raw[section] = raw[section] | {key: str((folder / value).resolve())}

    if "data" in raw:
        raw["data"] = walk(raw["data"])
    local("model", "name")
    local("source", "checkpoint")
    return raw


def _extended(raw: dict[str, Any], folder: Path, trail: tuple[Path, ...]) -> dict[str, Any]:
    """Merge what `extends` names, left to right, and the recipe itself on top."""
    names = raw.pop("extends", [])
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise BadInput(f"extends: a list of recipe names or paths; found {names!r}")
    out: dict[str, Any] = {}
    for name in names:
        beside = folder / name
        there = os.path.isfile(beside)
        out = _merged(out, _read(beside.resolve() if there else _inside(name), trail))
    return _merged(out, raw)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged key by key, unless the upper one is about something else altogether."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _another(old, value):
            out[key] = _merged(old, value)
        else:
            out[key] = value
    return out


def _another(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether `new` is a strategy of another type, or rows from a file instead of the hub."""
    if "type" in new:
        return bool(new["type"] != old.get("type"))
    return ("hub" in old and "path" in new) or ("path" in old and "hub" in new)


def _edit(raw: dict[str, Any], edit: str) -> None:
    """Apply one `path=value`; a path through something that is not there is refused."""
    path, equals, text = edit.partition("=")
    if not equals:
        raise BadInput(f"--set {edit}: write it as path=value, as in self_training.iterations=2")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError:
        value = text
    *parents, last = path.split(".")
    node: Any = raw
    for depth, key in enumerate(parents):
        if isinstance(node, dict) and key not in node and depth == 0:
            node[key] = {}  # a section left to its defaults; validation knows its name
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, IndexError, ValueError, TypeError):
            node = None
        if not isinstance(node, dict | list):
            raise BadInput(f"--set {edit}: there is nothing at {'.'.join(parents[: depth + 1])!r}")
    try:
        node[int(last) if isinstance(node, list) else last] = value
    except (IndexError, ValueError):
        raise BadInput(
            f"--set {edit}: the list at {'.'.join(parents)!r} has no place {last!r}"
        ) from None


def _expanded(raw: dict[str, Any]) -> dict[str, Any]:
    """Write `data.each` (a target with {language} in its strings) out for `data.languages`."""
    data = raw.get("data")
    if not isinstance(data, dict) or not ({"each", "languages"} & data.keys()):
        return raw
    each, languages = data.get("each"), data.get("languages")
    if not (isinstance(each, dict) and isinstance(languages, list)):
        raise BadInput("data: 'languages' (a list) and 'each' (a target) go together")

    def fill(node: Any, language: str) -> Any:
        if isinstance(node, dict):
            return {key: fill(value, language) for key, value in node.items()}
        return node.replace("{language}", language) if isinstance(node, str) else node

    targets = {str(code): fill(each, str(code)) for code in languages}
    rest = {key: value for key, value in data.items() if key not in ("each", "languages")}
    own = rest.get("targets", {})
    if not isinstance(own, dict):
        return raw | {"data": rest}  # validation says what is wrong with it
    return raw | {"data": rest | {"targets": _merged(targets, own)}}


def _line(raw: Any, fault: Any) -> str:
    """One fault as a person reads it: path, what is wrong, what was found, what is allowed."""
    loc: tuple[int | str, ...] = fault["loc"]
    if loc[-1] == "[key]":  # the one kind of key with a form of its own is a target's language
        return f"  {_dotted(loc[:-2])}: {loc[-2]!r} is no language code, such as sw or zh-Hant"
    path = _dotted(loc)
    message = fault["msg"]
    if fault["type"] == "extra_forbidden":
        message = "no such field; " + allowed(loc[-1], _fields_at(raw, loc[:-1]))
        return f"  {path}: {message}"
    found = repr(fault["input"])
    if fault["type"] == "missing":
        return f"  {path}: is missing"
    return f"  {path}: {message}; found {found if len(found) <= 80 else found[:77] + '...'}"


def _dotted(loc: Sequence[int | str]) -> str:
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in loc).lstrip(".")


def _fields_at(raw: Any, loc: Sequence[int | str]) -> list[str]:
    """The fields allowed at a place of a recipe, following its strategies' types."""
    annotation: Any = Recipe
    for key in (*loc, None):
        model, container, registry = _unwrapped(annotation)
        if registry is not None:
            try:
                model = registry[raw["type"]]
            except (KeyError, TypeError, ImportError):
                return []
        if key is None:
            own = list(model.model_fields) if model else []
            return ["type", *own] if registry is not None else own
        raw = raw[int(key)] if isinstance(raw, list) else raw.get(key)
        if container is not None:
            annotation = container
        elif model is not None and key in model.model_fields:
            info = model.model_fields[str(key)]
            annotation = (
                Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
            )
        else:
            return []
    return []


def _unwrapped(annotation: Any) -> tuple[type[BaseModel] | None, Any, "Registry[Any] | None"]:
    """(model, type of a container's items, registry): at most one of them is there."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for item in args[1:]:
            if isinstance(item, Registry):
                return None, None, item
        return _unwrapped(args[0])
    if origin in (Union, UnionType):
        return _unwrapped(next(arg for arg in args if arg is not type(None)))
    if origin in (list, dict):
        return None, args[-1], None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None, None
    return None, None, None
