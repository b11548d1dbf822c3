"""What a model folder may hold, if nobody vouches for it: nothing that executes or leads elsewhere.

Weights are read as safetensors in any case. The rest is refused unless the recipe says
`trust_remote_code`: code that comes with the model, links and paths that leave the folder.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conlst.errors import BadInput


def refuse_unsafe(name: str, *, trusted: bool = False) -> None:
    """Look at a model folder before anything in it is read; a hub name is let pass.

    Args:
        name: hub name, or a folder.
        trusted: whether code that comes with the model may run.

    Raises:
        BadInput: there is no such folder, its weights are pickled, or it is not trusted and brings
            code, or a link or path that leaves it.
    """
    folder = Path(name)
    if not (name.startswith((".", "/")) or folder.is_dir()):
        return
    if not (folder / "config.json").is_file():
        raise BadInput(f"model {name!r}: no such folder, or no config.json in it")
    if not list(folder.glob("*.safetensors")):
        held = sorted(p.name for p in folder.glob("*.bin")) or ["no weights"]
        raise BadInput(
            f"model {name!r} holds {', '.join(held)} and no .safetensors; pickled weights can "
            "execute code and are not read. Convert them: load with transformers where you trust "
            "them, then save_pretrained(folder)"
        )
    if trusted:
        return
    if found := next(_suspect(folder), None):
        raise BadInput(
            f"model {name!r}: {found}; allowed: weights, vocabulary and settings inside the "
            "folder, unless model.trust_remote_code is true"
        )


def _suspect(folder: Path) -> Iterator[str]:
    home = _home(folder)
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() and not file.resolve().is_relative_to(home):
            yield f"found {file.name}, a link that leaves the folder"
    for file in sorted(folder.glob("*.json")):
        held = _object(file)
        if code := held.get("auto_map"):
            yield f"found code of its own (auto_map in {file.name}: {str(code)[:100]})"
        for key, path in _paths(file, held):
            if not (folder / path).resolve().is_relative_to(home) and (folder / path).exists():
                yield f"found a path that leaves the folder ({key} in {file.name}: {path[:100]!r})"
    if (folder / "adapter_config.json").exists():
        yield "found adapter_config.json: an adapter, whose weights belong to a model elsewhere"


def _home(folder: Path) -> Path:
    """What links must not leave: in the hub's cache, weights stand beside the snapshots."""
    real = folder.resolve()
    cached = real.parent.name == "snapshots" and real.parents[1].name.startswith("models--")
    return real.parents[1] if cached else real


def _object(file: Path) -> dict[str, Any]:
    if file.name == "tokenizer.json":  # many megabytes, and read by a library that opens no file
        return {}
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{file}: cannot be read as JSON: {str(error)[:200]}") from None
    return held if isinstance(held, dict) else {}


def _paths(file: Path, held: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What transformers would take for the path of a file to read."""
    parts = held.get("weight_map") if file.name.endswith(".index.json") else held
    for key, value in parts.items() if isinstance(parts, dict) else ():
        if isinstance(value, str) and (parts is not held or key.endswith("_file")):
            yield key[:60], value
