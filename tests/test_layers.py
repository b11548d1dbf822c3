"""Imports run downwards only, and gold stays upstairs."""

import ast
from pathlib import Path

import conlst

ROOT = Path(conlst.__file__).parent
FLOORS = [
    {"errors", "progress", "beside", "transfer", "memory", "trust", "hub", "stopping", "processes"},
    {"registry", "arrays", "cache"},
    {"neighbours"},
    {"cut_edges"},
    {"selectors", "negatives", "augment", "losses", "criteria"},
    {"recipe", "testing"},
    {"data"},
    {
        "tokens",
        "texts",
        "translated",
        "folder",
        "outcome",
        "inside",
        "vocabulary",
        "halving",
        "blame",
    },
    {"packing", "precision", "snapshot", "sharing"},
    {"model", "token_cache"},
    {"standing"},
    {"train"},
    {"predict"},
    {"labels"},
    {"stages"},
    {"report"},
    {"bench"},
    {"verdicts", "shared", "kept"},
    {"steps"},
    {"runner"},
    {"describe", "draft", "ahead"},
    {"cli"},
    {"__main__", "__init__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
KINDS = FLOORS[4]


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports():
    """(importing module, imported module) for every import inside the package."""
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(["conlst", *path.relative_to(ROOT).with_suffix("").parts])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("conlst"):
                for alias in node.names:
                    inner = ROOT.joinpath(*node.module.split(".")[1:], alias.name)
                    known = inner.is_dir() or inner.with_suffix(".py").is_file()
                    yield name, f"{node.module}.{alias.name}" if known else node.module
            elif isinstance(node, ast.Import):
                yield from ((name, a.name) for a in node.names if a.name.startswith("conlst"))


def test_every_room_has_a_floor():
    rooms = {room(name) for name, _ in imports()}
    assert rooms <= set(FLOOR), f"new rooms: {rooms - set(FLOOR)}"


def test_no_arrow_runs_up():
    up = [
        f"{a} -> {b}"
        for a, b in imports()
        if FLOOR[room(a)] < FLOOR[room(b)] and room(b) != "__init__" and room(a) != "__init__"
    ]
    assert up == []


def test_a_kind_never_imports_another_kind():
    across = [
        f"{a} -> {b}" for a, b in imports() if {room(a), room(b)} <= KINDS and room(a) != room(b)
    ]
    assert across == []


def test_a_base_never_imports_its_members():
    for kind in KINDS:
        seen = [b for a, b in imports() if a == f"conlst.{kind}.base" and room(b) == kind]
        assert seen == []


def test_gold_is_read_in_the_report_only():
    """Training code can neither read gold nor reach those who do."""
    text = {p: p.read_text(encoding="utf-8") for p in ROOT.rglob("*.py")}
    readers = {p.relative_to(ROOT).parts[0] for p, code in text.items() if "read_gold" in code}
    assert readers == {"data", "report"}
    users = {room(a) for a, b in imports() if room(b) == "report"}
    assert users <= {"report", "runner", "cli"}
