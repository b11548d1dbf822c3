import json
import sys
import types
from importlib.metadata import EntryPoint
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from conlst import registry as module
from conlst.augment import augmenters
from conlst.beside import beside
from conlst.negatives import negatives
from conlst.registry import Registry, Strategy, json_schema
from conlst.selectors import Fixed, PerLanguage, Selector, selectors


class Animal(Strategy):
    """A kind of its own, so that these tests leave the real ones alone."""


@pytest.fixture
def animals(monkeypatch):
    monkeypatch.setattr(module, "REGISTRIES", dict(module.REGISTRIES))
    found = Registry("animals", Animal)

    @found.register("cat")
    class Cat(Animal):
        """Sleeps."""

        lives: int = Field(9, ge=1)

    return found


def plug_in(monkeypatch, **points):
    """Pretend that a package announces these names for the animals."""
    group = "conlst.animals"
    installed = [EntryPoint(name, value, group) for name, value in points.items()]

    def entry_points(**query):
        return [p for p in installed if all(getattr(p, k) == v for k, v in query.items())]

    monkeypatch.setattr(module, "entry_points", entry_points)


def plugin_module(monkeypatch, name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    monkeypatch.setitem(sys.modules, name, made)


def message(caught):
    (error,) = caught.value.errors()
    return error["loc"], error["msg"]


def test_a_slot_accepts_a_strategy_registered_after_it_was_defined(animals):
    class Zoo(BaseModel):
        star: Annotated[Animal, animals]

    @animals.register("dog")
    class Dog(Animal):
        """Barks."""

        loud: bool = True

    assert Zoo.model_validate({"star": {"type": "dog", "loud": False}}).star == Dog(loud=False)


def test_an_instance_is_accepted_as_it_is_and_dumped_with_its_type(animals):
    class Zoo(BaseModel):
        stars: list[Annotated[Animal, animals]]

    zoo = Zoo(stars=[animals["cat"](lives=3)])
    dumped = json.loads(zoo.model_dump_json())
    assert dumped == {"stars": [{"type": "cat", "lives": 3}]}
    assert Zoo.model_validate(dumped) == zoo


def test_an_unknown_name_is_answered_with_the_nearest(animals):
    with pytest.raises(ValidationError) as caught:
        animals.validate({"type": "cta"})
    place, text = message(caught)
    assert place == ("type",)
    assert text == "no such name in animals; did you mean 'cat'? allowed: cat"


@pytest.mark.parametrize(
    "value", [{}, {"type": None}, {"type": ["cat"]}, {"type": 3}, {"type": ""}]
)
def test_a_type_that_is_no_name_is_an_unknown_name(animals, value):
    with pytest.raises(ValidationError) as caught:
        animals.validate(value)
    assert message(caught)[0] == ("type",)


@pytest.mark.parametrize("value", ["cat", 3, None, ["cat"]])
def test_what_is_no_object_is_refused_in_a_slot(animals, value):
    class Zoo(BaseModel):
        star: Annotated[Animal, animals]

    with pytest.raises(ValidationError) as caught:
        Zoo.model_validate({"star": value})
    place, text = message(caught)
    assert place == ("star",)
    assert "an object with a 'type'" in text


def test_all_faults_are_reported_at_once_each_with_its_path(animals):
    class Zoo(BaseModel):
        stars: list[Annotated[Animal, animals]]

    with pytest.raises(ValidationError) as caught:
        Zoo.model_validate(
            {"stars": [{"type": "cat", "lives": 0, "tail": 1}, {"type": "cow"}, {"type": "cat"}]}
        )
    places = {error["loc"] for error in caught.value.errors()}
    assert places == {("stars", 0, "lives"), ("stars", 0, "tail"), ("stars", 1, "type")}


def test_strictness_reaches_into_slots(animals):
    with pytest.raises(ValidationError, match="valid integer"):
        animals.validate({"type": "cat", "lives": "9"})


def test_a_name_is_given_once(animals):
    with pytest.raises(ValueError, match=r"'cat' is taken by .*Cat; .*Other needs another"):

        @animals.register("cat")
        class Other(Animal):
            """Another."""


def test_the_same_class_may_come_again_as_when_its_module_is_reloaded(animals):
    first = animals["cat"]
    again = type(first.__name__, (Animal,), {"__module__": first.__module__})
    again.__qualname__ = first.__qualname__
    assert animals.register("cat")(again) is animals["cat"] is again


def test_only_the_kinds_own_contract_joins_it(animals):
    with pytest.raises(TypeError, match="must extend Animal"):
        animals.register("fixed")(Fixed)


class TestPlugIns:
    def test_a_plug_in_is_listed_unloaded_and_loaded_when_named(self, animals, monkeypatch):
        plug_in(monkeypatch, emu="not.there.yet:Emu")
        assert animals.names() == ["cat", "emu"]

        class Emu(Animal):
            """Runs."""

        plugin_module(monkeypatch, "not.there.yet", Emu=Emu)
        monkeypatch.setitem(sys.modules, "not", types.ModuleType("not"))
        found = animals.validate({"type": "emu"})
        assert found == Emu()
        assert found.model_dump() == {"type": "emu"}

    def test_a_broken_plug_in_is_an_error_in_full_for_who_names_it(self, animals, monkeypatch):
        plug_in(monkeypatch, emu="no_such_package:Emu")
        assert animals.validate({"type": "cat"}).lives == 9
        assert "emu" in animals.names()
        json_schema(animals["cat"])
        with pytest.raises(ValidationError) as caught:
            animals.validate({"type": "emu"})
        place, text = message(caught)
        assert place == ("type",)
        assert "'emu' stands for no_such_package:Emu, which cannot be loaded" in text
        assert "ModuleNotFoundError: No module named 'no_such_package'" in text

    def test_a_class_that_lacks_what_its_kind_calls_is_a_fault(self):
        with pytest.raises(ValidationError, match=r"conlst.selectors:Selector lacks __call__"):
            selectors.validate({"type": "conlst.selectors:Selector"})
        assert Selector.name == ""

    def test_whatever_it_raises_while_it_loads_is_told(self, animals, monkeypatch):
        plug_in(monkeypatch, emu="half_a_package:Emu")
        plugin_module(monkeypatch, "half_a_package")
        with pytest.raises(ValidationError, match=r"half_a_package:Emu, .* no such class"):
            animals.validate({"type": "emu"})

    def test_a_name_of_two_owners_names_both_to_who_uses_it(self, animals, monkeypatch):
        plug_in(monkeypatch, emu="zoo:Emu")
        installed = module.entry_points(group="conlst.animals", name="emu")
        twice = EntryPoint("emu", "birds:Emu", "conlst.animals")
        monkeypatch.setattr(
            module,
            "entry_points",
            lambda **query: [*installed, twice] if query.get("name") == "emu" else [],
        )
        assert animals.validate({"type": "cat"}).lives == 9
        with pytest.raises(ValidationError, match=r"'emu' is claimed by zoo:Emu .*birds:Emu"):
            animals.validate({"type": "emu"})

    def test_a_plug_in_that_takes_a_known_name_is_told_beside_its_owner(self, animals, monkeypatch):
        plug_in(monkeypatch, cat="other.zoo:Lynx")
        with pytest.raises(ValidationError, match=r"'cat' is claimed by other.zoo:Lynx .*Cat"):
            animals.validate({"type": "cat"})

    def test_a_plug_in_that_was_imported_before_it_was_named_is_one_owner(
        self, animals, monkeypatch
    ):
        plug_in(monkeypatch, cat=module._origin(animals["cat"]))
        animals._undisputed.clear()
        assert animals.validate({"type": "cat"}).lives == 9

    def test_a_package_may_announce_what_it_defines_in_a_room_inside(self, animals, monkeypatch):
        plug_in(monkeypatch, emu="zoo:Emu", rhea="zoo:Rhea")

        def bird(name):
            made = type(name, (Animal,), {"__module__": f"zoo.{name.lower()}"})
            return animals.register(name.lower())(made)

        emu, rhea = bird("Emu"), bird("Rhea")
        plugin_module(monkeypatch, "zoo", Emu=emu, Rhea=rhea)
        assert type(animals.validate({"type": "emu"})) is emu
        assert type(animals.validate({"type": "rhea"})) is rhea

    def test_a_plain_name_never_loads_a_file_beside_the_recipe(
        self, animals, monkeypatch, tmp_path
    ):
        (tmp_path / "zoo_of_names.py").write_text("raise SystemExit('the file was run')")
        plug_in(monkeypatch, emu="zoo_of_names:Emu")
        with beside(tmp_path), pytest.raises(ValidationError, match="No module named"):
            animals.validate({"type": "emu"})

    def test_a_plug_in_of_another_kind_is_refused(self, animals, monkeypatch):
        plug_in(monkeypatch, emu="conlst.selectors.fixed:Fixed")
        with pytest.raises(ValidationError, match="is no Animal"):
            animals.validate({"type": "emu"})


class Named(Selector):
    """A strategy that recipes name by module and class."""

    __call__ = Fixed.__call__
    threshold: float = 0.5


class Stricter(Fixed):
    """It inherits from a registered strategy, and is not it."""


class TestModuleAndClass:
    def test_a_recipe_may_name_a_class_by_its_path(self):
        path = f"{__name__}:Named"
        found = selectors.validate({"type": path, "threshold": 0.6})
        assert found == Named(threshold=0.6)
        assert found.model_dump() == {"type": path, "threshold": 0.6}
        assert selectors.validate(found.model_dump()) == found

    def test_a_subclass_of_a_registered_strategy_keeps_its_own_name(self):
        path = f"{__name__}:Stricter"
        found = selectors.validate({"type": path})
        assert type(found) is Stricter
        assert type(selectors.validate(found.model_dump())) is Stricter
        assert Fixed().model_dump()["type"] == "fixed"

    def test_a_registered_class_is_not_listed_twice_for_being_named_by_path(self):
        before = selectors.names()
        assert selectors.validate({"type": "conlst.selectors.fixed:Fixed"}) == Fixed()
        assert selectors.names() == before

    def test_a_dump_names_the_path_even_if_loading_it_registered_a_name(self, animals, monkeypatch):
        class Emu(Animal):
            """Runs."""

            __module__ = "zoo.emus"

        plugin_module(monkeypatch, "emus", Emu=animals.register("emu")(Emu))
        found = animals.validate({"type": "emus:Emu"})
        assert found.model_dump() == {"type": "emus:Emu"}  # a new process does not know "emu" yet

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("no_such_module:X", "No module named 'no_such_module'"),
            ("conlst.errors:Nothing", "AttributeError"),
            ("conlst.errors:BadInput", "is no Selector"),
        ],
    )
    def test_a_path_to_nowhere_says_why(self, path, text):
        with pytest.raises(ValidationError, match=text):
            selectors.validate({"type": path})


def test_a_strategy_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Fixed().threshold = 0.5


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ValidationError, match="treshold"):
        selectors.validate({"type": "fixed", "treshold": 0.9})


class TestJsonSchema:
    class Room(BaseModel):
        """A recipe of two slots."""

        selector: Annotated[Selector, selectors]
        augment: Annotated[object, augmenters] | None = None

    def test_every_strategy_lists_its_own_parameters(self):
        definitions = json_schema(self.Room)["$defs"]
        assert {d["$ref"] for d in definitions["selectors"]["oneOf"]} == {
            f"#/$defs/selectors.{name}" for name in selectors.names() if ":" not in name
        }
        fixed = definitions["selectors.fixed"]
        assert fixed["properties"]["type"] == {"const": "fixed"}
        assert fixed["properties"]["threshold"]["maximum"] == 1
        assert fixed["required"] == ["type"]
        assert fixed["additionalProperties"] is False
        assert fixed["description"].startswith("Keep the rows")

    def test_a_strategy_that_holds_strategies_refers_to_the_kind(self):
        definitions = json_schema(self.Room)["$defs"]
        assert definitions["selectors.per_language"]["properties"]["selector"]["$ref"] == (
            "#/$defs/selectors"
        )
        choices = definitions["augmenters.one_of"]["properties"]["choices"]
        assert choices["items"]["$ref"] == "#/$defs/augmenters"

    def test_every_reference_leads_somewhere_and_it_is_json(self):
        schema = json_schema(self.Room)
        text = json.dumps(schema)
        references = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
        assert references <= set(schema["$defs"])

    def test_naming_a_class_by_its_path_does_not_make_its_name_ambiguous(self):
        selectors.validate({"type": "conlst.selectors.fixed:Fixed"})
        references = [d["$ref"] for d in json_schema(self.Room)["$defs"]["selectors"]["oneOf"]]
        assert len(references) == len(set(references))


def test_iterating_gives_the_members_in_the_order_of_their_names():
    assert [cls.name for cls in negatives] == sorted(cls.name for cls in negatives)
    assert PerLanguage in list(selectors)
