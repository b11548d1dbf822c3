"""From recipe files to one JSON object: paths, `extends`, `--set`, `{language}`."""

import json
import os
from pathlib import Path
from typing import Any

from conlst.errors import BadInput, allowed
from conlst.recipe.plain import refuse_unplain

PACKAGED = Path(__file__).parents[1] / "recipes"
LONGEST = 16
"""Files that may extend one another in a row."""


def packaged() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(
        p.relative_to(PACKAGED).with_suffix("").as_posix() for p in PACKAGED.rglob("*.json")
    )


def merged(recipe: str) -> dict[str, Any]:
    """What a recipe file says after `extends`, unchecked: a method alone is no whole recipe."""
    return read(find(recipe), ())


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


def read(path: Path, trail: tuple[Path, ...]) -> dict[str, Any]:
    """The object in a recipe file, its paths absolute and what it extends merged in."""
    if path in trail:
        raise BadInput("extends runs in a circle: " + " -> ".join(p.name for p in (*trail, path)))
    if len(trail) > LONGEST:
        raise BadInput(f"{trail[0].name}: extends leads on from file to file; allowed: {LONGEST}")
    try:
        raw = _parsed(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_no_duplicates)
        refuse_unplain(raw)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path.name}: not JSON: {error}") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path.name}: a recipe is a JSON object; found {type(raw).__name__}")
    return extended(anchored(raw, path.parent), path.parent, (*trail, path))


def _parsed(text: str, **how: Any) -> Any:
    return json.loads(text, parse_constant=_no_constant, **how)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise BadInput(f"the key {twice[0]!r} stands twice in one object")
    return dict(pairs)


def _no_constant(text: str) -> float:
    raise BadInput(f"{text} is no JSON number")


def anchored(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make paths relative to the file they stand in, so that a recipe works from any folder."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        out = {k: v if k == "label_names" else walk(v) for k, v in node.items()}
        if isinstance(out.get("path"), str):
            out["path"] = str((folder / out["path"]).resolve())
        model = out.get("model")  # of a translator; a hub name has no such beginning
        if isinstance(model, str) and model.startswith(("./", "../")):
            out["model"] = str((folder / model).resolve())
        return out

    def local(section: str, key: str) -> None:
        value = raw[section].get(key) if isinstance(raw.get(section), dict) else None
        if isinstance(value, str) and value.startswith(("./", "../")):
            raw[section] = raw[section] | {key: str((folder / value).resolve())}

    for section in ("data", "source", "contrastive", "self_training"):
        if section in raw:
            raw[section] = walk(raw[section])
    local("model", "name")
    local("source", "checkpoint")
    return raw


def extended(raw: dict[str, Any], folder: Path, trail: tuple[Path, ...]) -> dict[str, Any]:
    """Merge what `extends` names, left to right, and the recipe itself on top."""
    names = raw.pop("extends", [])
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise BadInput(f"extends: a list of recipe names or paths; found {names!r}")
    out: dict[str, Any] = {}
    for name in names:
        beside = folder / name
        there = os.path.isfile(beside)
        out = merged_over(out, read(beside.resolve() if there else _inside(name), trail))
    return merged_over(out, raw)


def merged_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged key by key, unless the upper one is about something else altogether."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _another(old, value):
            out[key] = merged_over(old, value)
        else:
            out[key] = value
    return out


def _another(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether `new` is a strategy of another type, or rows from a file instead of the hub."""
    if "type" in new:
        return bool(new["type"] != old.get("type"))
    return ("hub" in old and "path" in new) or ("path" in old and "hub" in new)


def edit_in_place(raw: dict[str, Any], edit: str) -> None:
    """Apply one `path=value`; a path through something that is not there is refused."""
    path, equals, text = edit.partition("=")
    if not equals:
        raise BadInput(f"--set {edit}: write it as path=value, as in self_training.iterations=2")
    value = _value(text, edit)
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


def _value(text: str, edit: str) -> Any:
    """JSON if it is, else the text itself."""
    try:
        value = _parsed(text)
    except json.JSONDecodeError:
        value = text
    except (ValueError, RecursionError) as error:
        raise BadInput(f"--set {edit[:80]}: {error}") from None
    try:
        refuse_unplain(value)
    except BadInput as error:
        raise BadInput(f"--set {edit[:80]!r}: {error}") from None
    return value


def expanded(raw: dict[str, Any]) -> dict[str, Any]:
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
    return raw | {"data": rest | {"targets": merged_over(targets, own)}}
