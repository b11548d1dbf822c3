"""The page of methods is up to date, and README names each of them."""

from tests import methods_table


def test_the_page_is_what_the_recipes_say():
    assert methods_table.PAGE.read_text(encoding="utf-8") == methods_table.page(), "run: make docs"


def test_the_readme_names_every_method():
    readme = (methods_table.ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in methods_table.methods() if f"`{name}`" not in readme] == []
