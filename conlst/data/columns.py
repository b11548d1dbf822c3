"""Which column is what: as the recipe says, or guessed from well-known names, and told."""

from collections.abc import Sequence

from conlst.data.places import Source
from conlst.errors import BadInput, allowed
from conlst.recipe import Columns

COUPLES = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
)
WELL_KNOWN = {
    "text": "text sentence premise sentence1 question1 content utterance utt review review_body "
    "review_text tweet comment document message body question query title",
    "pair": "hypothesis sentence2 text_pair question2 text2 text_b",
    "label": "gold_label label category class target intent labels topic sentiment",
    "id": "id index idx uid pairid guid index_id sentence_id example_id _id",
    "group": "genre domain",
}


def guess_columns(
    header: Sequence[str], given: Columns, *, where: str, needed: Sequence[str] = ("text",)
) -> Columns:
    """Fill in the columns that were not given from well-known names.

    Args:
        header: the columns there are.
        given: what the recipe names; it is checked, and kept.
        where: the place to name in messages.
        needed: the roles that some column must fill.

    Raises:
        BadInput: a given column is not there, or nothing fits a needed role.

    Examples:
        >>> found = guess_columns(["Premise", "Hypothesis", "gold_label"], Columns(), where="train")
        >>> found.text, found.pair, found.label
        ('Premise', 'Hypothesis', 'gold_label')
    """
    shown = [name if len(name) <= 40 else f"{name[:37]}..." for name in header]
    found: dict[str, str] = given.model_dump(exclude_none=True)
    for role, name in found.items():
        if name not in header:
            raise BadInput(f"{where}: columns.{role}: no column {name!r}; {allowed(name, shown)}")
    taken = {name for role, name in found.items() if role not in ("text", "pair")}
    # A name written exactly so comes before one that differs in its case.
    by_name = {c.strip().lower(): c for c in header} | {c: c for c in header if c.islower()}
    free = {key: column for key, column in by_name.items() if column not in taken}
    couple = next((c for c in COUPLES if _fits(c, free, given)), None)
    if couple is not None:
        found |= {"text": free[couple[0]], "pair": free[couple[1]]}
    for role, names in WELL_KNOWN.items():
        # Who names the text alone may well want a single text: no stray pair is added to it.
        if role in found or (role == "pair" and given.text):
            continue
        for name in names.split():
            if name in free and free[name] not in found.values():
                found[role] = free[name]
                break
    for role in needed:
        if role not in found:
            raise BadInput(
                f"{where}: no column is known to hold the {role}; columns: {', '.join(shown)}; "
                f"name it in columns.{role} (the first row must name the columns)"
            )
    return Columns(**found)


def settled(
    source: Source, given: Columns, roles: Sequence[str], *, needed: Sequence[str]
) -> tuple[Columns, list[str]]:
    """The columns to read, and a note on them if any of them was guessed."""
    columns = guess_columns(source.names, given, where=source.place, needed=needed)
    asked, found = given.model_dump(), columns.model_dump()
    if all(asked[role] == found[role] for role in roles):
        return columns, []
    couple = "text" in roles and columns.pair is not None
    told = [f"{columns.text} + {columns.pair} as the text pair"] if couple else []
    single = ("label", "id", "group") if couple else ("text", "label", "id", "group")
    told += [f"{found[role]} as the {role}" for role in single if role in roles and found[role]]
    return columns, [f"{source.place}: read {', '.join(told)}"]


def _fits(couple: tuple[str, str], free: dict[str, str], given: Columns) -> bool:
    first, second = (free.get(name) for name in couple)
    fits_given = given.text in (None, first) and given.pair in (None, second)
    return bool(first and second and fits_given)
