"""Every part has an oracle test, and the page that says so is up to date."""

from tests import parts_table


def test_every_part_is_held_against_a_second_writing_of_its_formula():
    held = parts_table.oracles()
    names = {f"{kind}.{cls.name}" for kind, cls in parts_table.members()}
    assert names - held.keys() == set()
    assert held.keys() - names == set()  # a mark that names no part


def test_every_part_names_its_paper():
    assert [cls.name for _, cls in parts_table.members() if not parts_table.paper(cls)] == []


def test_the_page_is_what_the_parts_say():
    assert parts_table.PAGE.read_text(encoding="utf-8") == parts_table.page(), "run: make docs"
