"""What may be shown of an unfinished answer, by the type that was asked for.

A shape is read from pydantic's core schema of the type, so aliases, generics and validators of
fields are those of the type itself. Rule of the room: a value is shown once it is complete and
fits; of the unfinished, only plain strings, lists, dicts and objects with named fields. What is
not known to be safe is shown when it is complete.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter
from pydantic_core import CoreSchema, SchemaValidator, core_schema, to_json

from gensdk.types import OutputSchema

from .shapes import MISSING, PlainShape, Shape

__all__ = ["shape_of"]

_Schema = dict[str, Any]
_Make = Callable[[dict[str, Any]], Any]

_STRINGS = frozenset({"str", "literal", "enum"})
_OBJECTS = frozenset({"model", "dataclass", "typed-dict", "dict"})
_NO_CONTAINER = frozenset({"str", "literal", "enum", "int", "float", "bool", "none"})
_PLAIN_STRING = frozenset({"type", "ref", "metadata", "max_length", "strict", "serialization"})
_ANY: _Schema = {"type": "any"}
_WRAPPERS = frozenset({"nullable", "default", "definition-ref", "definitions"})


def shape_of(output: OutputSchema) -> Shape:
    """The shape of the answers to a request with ``output=``."""
    if output.type is None:
        plain = PlainShape(output.json_schema, output.json_schema)
        return _Value(plain) if output.wrapped else plain
    schema = cast("_Schema", TypeAdapter(output.type).core_schema)
    shape = _Reader().shape(schema, None)
    return _Value(shape) if output.wrapped else shape


class _Reader:
    """Makes shapes, which share the definitions of one schema."""

    def __init__(self) -> None:
        self._definitions: dict[str, _Schema] = {}

    def shape(self, schema: _Schema, config: Any) -> Shape:
        """The shape of a core schema; its parts are looked at when they are asked for."""
        target = self._unwrapped(schema)
        validator = _Validator(schema, config, self._definitions)
        kind = target["type"]
        if kind == "str":
            return _Whole(validator, grows=target.keys() <= _PLAIN_STRING)
        if kind == "list":
            item = target.get("items_schema") or _ANY
            return _Items(validator, lambda: self.shape(item, config))
        if kind == "dict":
            value = target.get("values_schema") or _ANY
            key = target.get("keys_schema") or _ANY
            keys = _Validator(key, config, self._definitions)
            return _Mapped(validator, keys, lambda: self.shape(value, config))
        if kind == "union":
            return self._union(target, validator, config)
        if kind == "tagged-union" and isinstance(target["discriminator"], str):
            return _Tagged(validator, target["discriminator"], self._choices(target, config))
        return self._fields(target, validator, config) or _Whole(validator)

    def _unwrapped(self, schema: _Schema) -> _Schema:
        """The schema that says what it is, inside of defaults, ``None`` and references.

        A validator that runs after a model is left to the finished model.
        """
        while True:
            kind = schema["type"]
            if kind == "definitions":
                for one in schema["definitions"]:
                    self._definitions[one["ref"]] = one
            if kind == "definition-ref":
                schema = self._definitions[schema["schema_ref"]]
            elif kind in _WRAPPERS or (
                kind == "function-after" and schema["schema"]["type"] in {"model", "dataclass"}
            ):
                schema = schema["schema"]
            else:
                return schema

    def _union(self, schema: _Schema, validator: _Validator, config: Any) -> Shape:
        """A union is shown unfinished where JSON's own types tell which member it is."""
        members = [one[0] if isinstance(one, tuple) else one for one in schema["choices"]]
        found = [(self._unwrapped(member), member) for member in members]
        kinds = [inner["type"] for inner, _ in found]
        known = all(kind in _NO_CONTAINER | _OBJECTS | {"list"} for kind in kinds)
        if not known:
            return _Whole(validator)
        objects = [member for inner, member in found if inner["type"] in _OBJECTS]
        lists = [member for inner, member in found if inner["type"] == "list"]
        strings = [inner for inner, _ in found if inner["type"] in _STRINGS]
        return _Either(
            validator,
            self.shape(objects[0], config) if len(objects) == 1 else None,
            self.shape(lists[0], config) if len(lists) == 1 else None,
            grows=len(strings) == 1
            and strings[0]["type"] == "str"
            and strings[0].keys() <= _PLAIN_STRING,
        )

    def _choices(self, schema: _Schema, config: Any) -> Callable[[Any], Shape | None]:
        choices: dict[Any, _Schema] = {
            getattr(tag, "value", tag): one for tag, one in schema["choices"].items()
        }

        def choice(tag: Any) -> Shape | None:
            return self.shape(choices[tag], config) if tag in choices else None

        return choice

    def _fields(self, schema: _Schema, validator: _Validator, config: Any) -> Shape | None:
        """The shape of an object with named fields; None where it is none, or reads its own."""
        kind = schema["type"]
        config = schema.get("config") or config
        if kind == "typed-dict":
            return _Fields(validator, _by_key(schema["fields"], config), self._of(config), dict)
        if kind not in {"model", "dataclass"}:
            return None
        inner, cls = schema["schema"], schema["cls"]
        if kind == "model" and inner["type"] == "model-fields":
            make = _model_maker(cls, list(inner["fields"]))
            return _Fields(validator, _by_key(inner["fields"], config), self._of(config), make)
        if kind == "dataclass" and inner["type"] == "dataclass-args":
            fields = {one["name"]: one for one in inner["fields"]}
            return _Fields(
                validator, _by_key(fields, config), self._of(config), _dataclass_maker(cls)
            )
        return None

    def _of(self, config: Any) -> Callable[[_Schema], Shape]:
        return lambda schema: self.shape(schema, config)


def _by_key(fields: Mapping[str, _Schema], config: Any) -> dict[str, tuple[str, _Schema]]:
    """Name and schema of each field by the keys under which JSON may have it."""
    found: dict[str, tuple[str, _Schema]] = {}
    config = config or {}
    by_name = config.get("validate_by_name") or config.get("populate_by_name")
    for name, field in fields.items():
        alias = field.get("validation_alias")
        for key in _keys(alias, name) | ({name} if by_name else set()):
            found[key] = name, field["schema"]
    return found


def _keys(alias: Any, name: str) -> set[str]:
    if alias is None:
        return {name}
    if isinstance(alias, str):
        return {alias}
    paths = alias if alias and isinstance(alias[0], list) else [alias]
    return {path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)}


def _model_maker(cls: type[BaseModel], names: list[str]) -> _Make:
    def make(values: dict[str, Any]) -> BaseModel:
        model = cls.__new__(cls)
        state = {
            "__dict__": {name: values.get(name) for name in names},
            "__pydantic_fields_set__": set(values),
            "__pydantic_extra__": {} if cls.model_config.get("extra") == "allow" else None,
            "__pydantic_private__": None,
        }
        BaseModel.__setstate__(model, state)
        return model

    return make


def _dataclass_maker(cls: type[Any]) -> _Make:
    names = [field.name for field in dataclasses.fields(cls)]

    def make(values: dict[str, Any]) -> Any:
        made = object.__new__(cls)
        for name in names:
            object.__setattr__(made, name, values.get(name))
        return made

    return make


class _Validator:
    """Checks complete values as the type itself would; built when first needed."""

    __slots__ = ("_config", "_definitions", "_schema", "_validator")

    def __init__(self, schema: Any, config: Any, definitions: dict[str, _Schema]) -> None:
        self._schema = schema
        self._config = config
        self._definitions = definitions
        self._validator: SchemaValidator | None = None

    def __call__(self, value: Any) -> Any:
        """The validated value; ``MISSING`` where it does not fit, or not by itself."""
        try:
            if self._validator is None:
                self._validator = SchemaValidator(self._closed(), self._config)
            return self._validator.validate_json(to_json(value))
        except Exception:  # noqa: BLE001  # a validator of the user may need the other fields
            return MISSING

    def _closed(self) -> CoreSchema:
        if self._schema["type"] == "definitions" or not self._definitions:
            return cast("CoreSchema", self._schema)
        return core_schema.definitions_schema(
            cast("CoreSchema", self._schema),
            [cast("CoreSchema", one) for one in self._definitions.values()],
        )


class _Whole(Shape):
    """Shown when it is complete; a plain string as it grows."""

    def __init__(self, validator: Callable[[Any], Any], *, grows: bool = False) -> None:
        self._validator = validator
        self.grows = grows

    def whole(self, value: Any) -> Any:
        return self._validator(value)


class _Items(_Whole):
    def __init__(self, validator: Callable[[Any], Any], item: Callable[[], Shape]) -> None:
        super().__init__(validator)
        self._make_item = item
        self._item: Shape | None = None

    def opened(self, bracket: str) -> Shape | None:
        return self if bracket == "[" else None

    def item(self) -> Shape:
        if self._item is None:
            self._item = self._make_item()
        return self._item

    def build(self, parts: Any, name: Any, tail: Any) -> Any:
        return [*parts] if tail is MISSING else [*parts, tail]


class _Mapped(_Whole):
    def __init__(
        self,
        validator: Callable[[Any], Any],
        keys: Callable[[Any], Any],
        value: Callable[[], Shape],
    ) -> None:
        super().__init__(validator)
        self._keys = keys
        self._make_value = value
        self._value: Shape | None = None

    def opened(self, bracket: str) -> Shape | None:
        return self if bracket == "{" else None

    def place(self, key: str) -> tuple[Any, Shape] | None:
        name = self._keys(key)
        if name is MISSING:
            return None
        if self._value is None:
            self._value = self._make_value()
        return name, self._value

    def build(self, parts: Any, name: Any, tail: Any) -> Any:
        return dict(parts) if tail is MISSING else {**parts, name: tail}


class _Fields(_Whole):
    """A model, a dataclass or a typed dict; nothing is shown of it before its first field."""

    waits = True

    def __init__(
        self,
        validator: Callable[[Any], Any],
        fields: dict[str, tuple[str, _Schema]],
        shape: Callable[[_Schema], Shape],
        make: _Make,
    ) -> None:
        super().__init__(validator)
        self._fields = fields
        self._shape = shape
        self._make = make
        self._shapes: dict[str, tuple[str, Shape]] = {}

    def opened(self, bracket: str) -> Shape | None:
        return self if bracket == "{" else None

    def place(self, key: str) -> tuple[Any, Shape] | None:
        if key not in self._shapes and key in self._fields:
            name, schema = self._fields[key]
            self._shapes[key] = name, self._shape(schema)
        return self._shapes.get(key)

    def build(self, parts: Any, name: Any, tail: Any) -> Any:
        values = dict(parts) if tail is MISSING else {**parts, name: tail}
        return self._make(values) if values else MISSING


class _Either(_Whole):
    def __init__(
        self,
        validator: Callable[[Any], Any],
        as_object: Shape | None,
        as_list: Shape | None,
        *,
        grows: bool,
    ) -> None:
        super().__init__(validator, grows=grows)
        self._by_bracket = {"{": as_object, "[": as_list}

    def opened(self, bracket: str) -> Shape | None:
        found = self._by_bracket[bracket]
        return found and found.opened(bracket)


class _Tagged(_Whole):
    """Which member it is, is known when the discriminator has come."""

    waits = True

    def __init__(
        self, validator: Callable[[Any], Any], name: str, choice: Callable[[Any], Shape | None]
    ) -> None:
        super().__init__(validator)
        self._name = name
        self._choice = choice

    def opened(self, bracket: str) -> Shape | None:
        return self if bracket == "{" else None

    def decided(self, raw: dict[str, Any]) -> Shape | None:
        tag = raw.get(self._name, MISSING)
        found = None if tag is MISSING or isinstance(tag, dict | list) else self._choice(tag)
        return found and found.opened("{")

    def build(self, parts: Any, name: Any, tail: Any) -> Any:
        return MISSING


class _Value(Shape):
    """An answer that came inside of ``{"value": …}``."""

    waits = True

    def __init__(self, inner: Shape) -> None:
        self._inner = inner

    def opened(self, bracket: str) -> Shape | None:
        return self if bracket == "{" else None

    def place(self, key: str) -> tuple[Any, Shape] | None:
        return (key, self._inner) if key == "value" else None

    def build(self, parts: Any, name: Any, tail: Any) -> Any:
        return parts.get("value", tail)
