"""Which stages and languages are shown, and in which words it is said that there are none."""

from typing import Any

Json = dict[str, Any]


def stages(report: Json) -> list[Json]:
    """The stages worth telling apart: source, after stage 1, and the last one."""
    every = report["stages"]
    chosen = [stage for stage in every if stage["name"] in ("source", "contrastive")]
    return chosen if every[-1] in chosen else [*chosen, every[-1]]


def around_stage_1(report: Json) -> tuple[Json, Json]:
    """Before and after stage 1; without one, the first stage and the last."""
    return report["stages"][0], stage_1(report) or report["stages"][-1]


def stage_1(report: Json) -> Json | None:
    """The stage of contrastive negative learning, where there is one."""
    return next((stage for stage in report["stages"] if stage["name"] == "contrastive"), None)


def with_gold(report: Json) -> tuple[Json, Json, list[str], str]:
    """Stages around stage 1, the languages with gold in both, and why there is none."""
    before, after = around_stage_1(report)
    codes = gold_codes(before, after)
    if len(report["stages"]) < 2:
        return before, after, codes, "Left out: no stage of adaptation is done."
    return before, after, codes, "" if codes else NO_GOLD


def gold_codes(*of: Json) -> list[str]:
    """Languages whose pool has gold in all these stages."""
    first, *others = of
    return [
        code
        for code, cell in first["pool"].items()
        if cell["accuracy"] is not None and all(code in stage["pool"] for stage in others)
    ]


NO_GOLD = (
    "Left out: no gold labels of the unlabelled texts are known. Where there are some, name their "
    "file in data.targets.LANGUAGE.pool_gold; it is read for this report only."
)
