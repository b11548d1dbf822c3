"""The hub, where a recipe names it: nothing else in conlst speaks to a network."""

from pathlib import Path

CONFIG = "config.json"
"""What every model has, and is fetched first."""


def offline() -> bool:
    """Whether the user forbids to ask the hub (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants  # slow to import, and `conlst --help` needs none of it

    return bool(constants.HF_HUB_OFFLINE)


def out_of_reach(model: str, revision: str | None = None) -> str | None:
    """Why a model cannot be had, as far as that is known without asking; None: it may be there.

    Args:
        model: hub name or folder.
        revision: branch, tag or commit.
    """
    if model.startswith((".", "/")) or Path(model).is_dir() or not offline():
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        held = try_to_load_from_cache(model, CONFIG, revision=revision)
    except HFValidationError:
        return f"{model!r} is no folder, and no name that a model on the hub could have"
    if isinstance(held, str):
        return None
    return (
        f"{model!r} is not in the hub's cache, and HF_HUB_OFFLINE forbids to fetch it; allowed: a "
        "model that is there, a folder, or HF_HUB_OFFLINE=0"
    )
