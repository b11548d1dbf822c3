"""A strategy is one frozen pydantic class; a registry knows the strategies of one kind by name.

A registry is also the annotation of a recipe slot, bound late:

    selector: Annotated[Selector, selectors]

accepts `{"type": "fixed", "threshold": 0.95}` and validates it with the class that bears that name
at that moment, whether it was registered before or after the slot was defined, comes from another
package (entry-point group `conlst.<kind>`, loaded only when a recipe names it), or is written out
as `"package.module:Class"`, which is looked for beside the recipe first. A registry never imports
its members: they import it.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError, model_serializer
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from conlst.beside import imported
from conlst.errors import allowed

REGISTRIES: dict[str, "Registry[Any]"] = {}
"""Every registry by its kind, for `conlst list` and the schema."""


class Strategy(BaseModel):
    """One interchangeable part: its fields are its parameters, `__call__` is its formula.

    It is frozen and holds no state. What it needs beyond the ordinary is declared in `needs`, and
    the recipe is checked against it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: ClassVar[str] = ""
    """How recipes call it. Said once, in the decorator that registers it."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it must be given, in the words of its kind's contract."""

    def walk(self) -> Iterator["Strategy"]:
        """Itself and every strategy it holds, however deep."""
        yield self
        for name in type(self).model_fields:
            value = getattr(self, name)
            held = list(value.values()) if isinstance(value, dict) else value
            for part in held if isinstance(held, list | tuple) else [held]:
                if isinstance(part, Strategy):
                    yield from part.walk()

    def all_needs(self) -> frozenset[str]:
        """What it needs, and what the strategies it holds need."""
        return frozenset().union(*(part.needs for part in self.walk()))

    def passes_needed(self) -> int:
        """How many stochastic passes it, or what it holds, needs; 0: none."""
        asking = [part for part in self.walk() if "passes" in part.needs]
        return max((int(getattr(part, "passes", 1)) for part in asking), default=0)

    @model_serializer(mode="wrap")
    def _type_first(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {"type": self.name, **handler(self)}


S = TypeVar("S", bound=Strategy)


class Registry(Generic[S]):
    """The strategies of one kind, by name.

    Args:
        kind: plural, as in `conlst list KIND` and in the entry-point group `conlst.KIND`.
        base: the contract that every member fulfils.

    Examples:
        >>> class Animal(Strategy): ...
        >>> animals = Registry("animals", Animal)
        >>> @animals.register("cat")
        ... class Cat(Animal):
        ...     lives: int = 9
        >>> animals.validate({"type": "cat", "lives": 7})
        Cat(lives=7)
        >>> animals.names()
        ['cat']
        >>> del REGISTRIES["animals"]  # an example is no kind of part
    """

    def __init__(self, kind: str, base: type[S]) -> None:
        self.kind = kind
        self.base = base
        self._members: dict[str, type[S]] = {}
        self._undisputed: set[str] = set()
        """Names that no installed plug-in claims as well."""
        REGISTRIES[kind] = self

    def register(self, name: str) -> Callable[[type[S]], type[S]]:
        """Give a class its name. A name is given once: two classes cannot share one.

        Raises:
            TypeError: the class does not extend the kind's contract.
            ValueError: the name is taken; both classes are named.
        """

        def decorate(cls: type[S]) -> type[S]:
            if not (isinstance(cls, type) and issubclass(cls, self.base)):
                raise TypeError(f"{cls!r} must extend {self.base.__name__} to join {self.kind}")
            other = self._members.get(name)
            if other is not None and _origin(other) != _origin(cls):
                raise ValueError(
                    f"{self.kind}: the name {name!r} is taken by {_origin(other)}; "
                    f"{_origin(cls)} needs another"
                )
            cls.name = name
            self._members[name] = cls
            return cls

        return decorate

    def names(self) -> list[str]:
        """Every name that a recipe may use, installed plug-ins included, none of them loaded."""
        plugins = (point.name for point in entry_points(group=f"conlst.{self.kind}"))
        return sorted({*self._members, *plugins})

    def __iter__(self) -> Iterator[type[S]]:
        return iter([self._members[name] for name in sorted(self._members)])

    def __getitem__(self, name: str) -> type[S]:
        """The class of that name, loading the plug-in that owns it if there is one.

        Raises:
            KeyError: nobody bears the name.
            ImportError: a plug-in bears it and cannot be loaded (its own error is the cause), or
                several bear it; all of them are named.
        """
        if name in self._members and name in self._undisputed:
            return self._members[name]
        points = list(entry_points(group=f"conlst.{self.kind}", name=name))
        own = self._members.get(name)
        owners = {
            _root(p.value): f"{p.value} (of the package {p.dist and p.dist.name})" for p in points
        }
        if own:  # a package that was imported before may have registered it from a room inside
            owners[_root(own.__module__)] = _origin(own)
        if len(owners) > 1:
            raise ImportError(
                f"{self.kind}: the name {name!r} is claimed by {' and by '.join(owners.values())}; "
                "one of them must go"
            )
        if own is None and ":" in name:  # a path is no name: it is neither listed nor kept
            return self._load(name, name)
        if own is None and not points:
            raise KeyError(name)
        self._members[name] = own or self._load(name, points[0].value)
        self._undisputed.add(name)
        return self._members[name]

    def _load(self, name: str, value: str) -> type[S]:
        where, _, attribute = value.partition(":")
        try:
            # Only a path is looked for beside the recipe: a plain name is an installed part.
            module = imported(where) if ":" in name else importlib.import_module(where)
            if not hasattr(module, attribute):
                raise AttributeError(f"no such class; {allowed(attribute, self._in(module))}")
            cls = getattr(module, attribute)
        except (Exception, SystemExit) as error:
            raise ImportError(
                f"{self.kind}: {name!r} stands for {where}:{attribute}, which cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            raise ImportError(f"{self.kind}: {where}:{attribute} is no {self.base.__name__}")
        if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
            raise ImportError(f"{self.kind}: {where}:{attribute} lacks {', '.join(lacking)}")
        own = vars(cls).get("name")  # not an inherited one: that is another class's
        if ":" in name and not cls.__module__.startswith("conlst."):
            own = None  # a new process, which reads the dump, finds the class by its path only
        cls.name = own or name
        return cls

    def _in(self, module: ModuleType) -> list[str]:
        """What a module holds of this kind."""
        kinds = {n: c for n, c in vars(module).items() if isinstance(c, type)}
        return [n for n, c in kinds.items() if issubclass(c, self.base) and c is not self.base]

    def validate(self, value: object) -> S:
        """Turn what a recipe holds in a slot of this kind into a strategy.

        Raises:
            pydantic.ValidationError: with the path inside the slot, one line a fault.
        """
        if isinstance(value, self.base):
            return value
        if not isinstance(value, Mapping):
            written = isinstance(value, str) and value in self.names()
            how = f'write it as {{"type": "{value}"}}' if written else allowed(value, self.names())
            message = "a strategy is an object with a 'type'; {how}"
            raise PydanticCustomError("strategy", message, {"how": how})
        fields = dict(value)
        name = fields.pop("type", None)
        try:
            cls = self[name]
        except (KeyError, TypeError):
            what = f"no such name in {self.kind}" if "type" in value else "is missing"
            message = f"{what}; {allowed(name, self.names())}"
            raise self._fault("type", name, message) from None
        except ImportError as error:
            raise self._fault("type", name, str(error)) from None
        return cls.model_validate(fields)

    def _fault(self, key: str, found: object, message: str) -> ValidationError:
        error = PydanticCustomError("strategy", "{message}", {"message": message})
        line = InitErrorDetails(type=error, loc=(key,), input=found)
        return ValidationError.from_exception_data(self.kind, [line])

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda s: s.model_dump()
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"slot": self.kind}


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a model in which every slot lists its strategies and their parameters."""
    definitions: dict[str, Any] = {}

    def close(node: Any) -> Any:
        if isinstance(node, list):
            return [close(item) for item in node]
        if not isinstance(node, dict):
            return node
        if isinstance(kind := node.get("slot"), str):
            add(REGISTRIES[kind])
            rest = {key: close(value) for key, value in node.items() if key != "slot"}
            return rest | {"$ref": f"#/$defs/{kind}"}
        definitions.update(close(node["$defs"]) if "$defs" in node else {})
        return {key: close(value) for key, value in node.items() if key != "$defs"}

    def add(registry: Registry[Any]) -> None:
        if registry.kind in definitions:
            return
        definitions[registry.kind] = {}  # set first: a strategy may hold strategies of its kind
        members = list(registry)
        for cls in members:
            own = close(cls.model_json_schema())
            own["properties"] = {"type": {"const": cls.name}} | own.get("properties", {})
            own["required"] = ["type", *own.get("required", [])]
            own["description"] = (cls.__doc__ or "").strip().partition("\n")[0]
            definitions[f"{registry.kind}.{cls.name}"] = own
        refs = [{"$ref": f"#/$defs/{registry.kind}.{cls.name}"} for cls in members]
        definitions[registry.kind] = {"oneOf": refs}

    schema: dict[str, Any] = close(model.model_json_schema())
    return schema | {"$defs": dict(sorted(definitions.items()))}


def _root(where: str) -> str:
    """The package that a module or class is from."""
    return where.partition(":")[0].partition(".")[0]


def _origin(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"
