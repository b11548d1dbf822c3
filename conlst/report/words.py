"""What a report says in words: the headline, names of stages, numbers, text made harmless."""

from collections.abc import Sequence
from typing import Any

from conlst.progress import inert as escaped

Json = dict[str, Any]

BANDS = (">.9", ".5-.9", "<.5")
"""Table 4's bands of confidence, as `report.json` names them."""
NONE = "-"
"""Stands where there is no figure."""


def inert(text: object, limit: int = 500) -> str:
    r"""Text from data as one line that changes nothing around it.

    White space becomes one blank; control characters, bidirectional overrides and what else is
    invisible are written as escapes; what is longer than `limit` is cut.

    Examples:
        >>> print(inert("a\nb\x1b[2J\u202e"))
        a b\x1b[2J\u202e
    """
    line = " ".join(str(text).split())
    return escaped(line if len(line) <= limit else line[: limit - 3] + "...")


def stage_name(name: str) -> str:
    """A stage as a reader knows it.

    Examples:
        >>> stage_name("self_training-2")
        'self-training 2'
    """
    known = {"source": "source (zero-shot)", "contrastive": "after stage 1 (contrastive)"}
    return known.get(name) or name.replace("self_training-", "self-training ")


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, without the sign.

    Examples:
        >>> percent(0.8125), percent(None)
        ('81.2', '-')
    """
    return NONE if share is None else f"{100 * share:.{digits}f}"


def points(difference: Json | None) -> str:
    """A difference of accuracies in points, with its interval.

    Examples:
        >>> points({"value": 0.021, "low": -0.004, "high": 0.05})
        '+2.1 (-0.4 to +5.0)'
    """
    if not difference or difference["value"] is None:
        return NONE
    value, low, high = (_signed(difference[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _signed(share: float | None) -> str:
    return NONE if share is None else f"{round(100 * share, 1) + 0.0:+.1f}"  # never -0.0


def withdrawn(stage: Json) -> dict[str, list[str]]:
    """Languages whose figures at this stage are no result, with the reasons: see `fate`."""
    found = {code: reasons_of(cell) for code, cell in stage["languages"].items()}
    return {code: reasons for code, reasons in found.items() if reasons}


def reasons_of(cell: Json) -> list[str]:
    """Why the model of a cell was not kept; empty: it was."""
    return [*cell["collapse"], *cell["rolled_back"]]


def fate(stage: Json, code: str | None = None) -> str:
    """What became of withdrawn figures, of a language or of any: to break is worse than to fall."""
    cells = [stage["languages"][code]] if code else stage["languages"].values()
    return "collapsed" if any(cell["collapse"] for cell in cells) else "rolled back"


def headline(report: Json) -> str:
    """What was done and what came of it, for a reader who does not know the method."""
    parts = [_done(report), _setting(report), *_withdrawals(report), _result(report)]
    return " ".join(part for part in parts if part)


def _done(report: Json) -> str:
    source, adapted = report["source_language"], report["adapted"]
    trained = f"A classifier trained on labelled text in one language ({source})"
    kind, codes = _translated(report)
    if kind == TRANSLATED["source"]:
        trained += f" and on its machine translations into {', '.join(codes)}"
    if nothing_adapted(report):
        where = f", on test texts of {', '.join(codes)} put into {source} by machine"
        tried = where if kind == TRANSLATED["test"] else ""
        return f"{trained} was tried as it is ({kind}){tried}: nothing was adapted."
    how = "all in one model" if report["adapt"] == "joint" else "one model a language"
    said = f"{trained} was adapted to {_count(adapted)}, {how}, using no labels there."
    return said if report["finished"] else f"{said} The run is not finished."


def nothing_adapted(report: Json) -> bool:
    """Whether the run was to have no stage after the source's."""
    return len(report["stages"]) == 1 and bool(report["finished"])


TRANSLATED = {"source": "translate-train", "test": "translate-test"}
"""What it is called to translate such rows."""


def _translated(report: Json) -> tuple[str, list[str]]:
    """What the model before adaptation is called, and the languages with translations."""
    told = report["data"].get("translated") or {}
    codes = list(told.get("languages", {}))
    return TRANSLATED.get(told.get("rows", ""), "zero-shot") if codes else "zero-shot", codes


def _setting(report: Json) -> str:
    if nothing_adapted(report):
        return ""
    sizes = report["data"].get("languages", {}).values()
    shares = [facts.get("test_in_pool") for facts in sizes]
    known = [share for share in shares if share is not None]
    if not known:
        return ""
    if report["setting"] == "transductive":
        return (
            f"Transductive: the test texts themselves, without their labels (up to "
            f"{percent(max(known))} % of a language's), were among the texts adapted to, so the "
            "figures hold for those texts and not for unseen ones."
        )
    seen = f" (at most {percent(max(known), 2)} % were)" if max(known) else ""
    return f"Inductive: the test texts were not among the texts adapted to{seen}."


def _withdrawals(report: Json) -> list[str]:
    out = []
    for stage in report["stages"]:
        reasons: dict[str, list[str]] = {}
        gone = withdrawn(stage)
        for code, lines in gone.items():
            reasons.setdefault("; ".join(lines), []).append(code)
        whole = len(reasons) == 1 and len(gone) == len(stage["languages"])
        said = [why if whole else f"{', '.join(codes)}: {why}" for why, codes in reasons.items()]
        if said:
            was = fate(stage)
            verb = "collapsed" if was == "collapsed" else f"was {was}"
            out.append(
                f"Stage {stage['name']} {verb} ({'; '.join(said)}): its figures are no result."
            )
    return out


def _result(report: Json) -> str:
    """From the zero-shot average to that of the models handed out, over the same languages."""
    first, last = report["stages"][0], report["handed_out"]
    key = "average_targets" if first["average_targets"]["over"] else "average"
    average, change = last[key], last[key]["difference"]
    if not average["over"]:
        return "No language has test rows, so accuracy is unknown."
    where = f"Accuracy on test rows, averaged over {_count(average['over'], key)},"
    names = {code: last["stages"][code] for code in average["over"]}
    if change is None or set(names.values()) == {"source"}:
        lost = len(report["stages"]) > 1 and report["finished"]
        alone = " Nothing that was adapted stands as a result." if lost else ""
        return f"{where} is {percent(average['accuracy'])} % {_translated(report)[0]}.{alone}"
    before, now = percent(average["accuracy"] - change["value"]), percent(average["accuracy"])
    untrusted = [code for code, name in names.items() if _trusted_nobody(report, code, name)]
    caveat = (
        f" For {', '.join(untrusted)} no pseudo-label was trusted in it: what changed there is due "
        "to further training on the source."
        if untrusted
        else ""
    )
    return (
        f"{where} went from {before} % (the model before adaptation, {_translated(report)[0]}) to "
        f"{now} % "
        f"{_after(names)}: {_signed(change['value'])} points, 95 % interval "
        f"{_signed(change['low'])} to {_signed(change['high'])}{_verdict(change)}.{caveat}"
    )


def _trusted_nobody(report: Json, code: str, name: str) -> bool:
    """Whether the stage of that name trained a language's model without any pseudo-label."""
    records: Json = next((s["records"] for s in report["stages"] if s["name"] == name), {})
    record = records.get("all") or records.get(code) or {}
    return (record.get("facts") or {}).get("selected") == 0


def _after(names: dict[str, str]) -> str:
    """Whose weights are handed out: one stage's, or those of several, by language."""
    if len(set(names.values())) == 1:
        return "after " + stage_name(next(iter(names.values()))).removeprefix("after ")
    by_stage: dict[str, list[str]] = {}
    for code, name in names.items():
        by_stage.setdefault(stage_name(name).removeprefix("after "), []).append(code)
    told = "; ".join(f"{name}: {', '.join(codes)}" for name, codes in by_stage.items())
    return f"in the models handed out ({told})"


def _verdict(change: Json) -> str:
    if change["low"] is None or change["low"] <= 0 <= change["high"]:
        return ", which holds zero: neither a gain nor a loss is shown"
    return ", a gain" if change["value"] > 0 else ", a loss"


def _count(codes: Sequence[str], key: str = "") -> str:
    kind = "target language" if key == "average_targets" else "language"
    return f"{len(codes)} {kind}{'' if len(codes) == 1 else 's'} ({', '.join(codes)})"
