"""JSON Schema lowered to strict mode: goldens by shape, and what cannot be lowered."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, Field

from gensdk.backends.openai.schema import already_strict, lower
from gensdk.types import OutputSchema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Step(BaseModel):
    text: str = Field(min_length=1, description="What to do")
    minutes: int = Field(ge=0, default=1)
    day: date | None = None


class Recipe(BaseModel):
    title: str
    colour: Colour
    steps: list[Step] = Field(min_length=1)
    kind: Literal["sweet"] = "sweet"
    main: Step = Field(description="The main one")


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Cat(BaseModel):
    type: Literal["cat"]


class Dog(BaseModel):
    type: Literal["dog"]


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="type")]


class Numbers(BaseModel):
    unique: set[int]
    code: Annotated[str, Field(description="A code", json_schema_extra={"pattern": "^(?!0)d+$"})]
    address: Annotated[str, Field(json_schema_extra={"format": "uri"})]


def of(shape: Any) -> dict[str, Any]:
    return OutputSchema.of(shape).json_schema


def test_everything_is_required_and_closed_and_nothing_has_a_default() -> None:
    lowered = lower(of(Recipe))
    step = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "What to do (minLength: 1)"},
            "minutes": {"type": "integer", "minimum": 0},
            "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        },
        "required": ["text", "minutes", "day"],
        "additionalProperties": False,
    }
    assert lowered.strict
    assert lowered.problem is None
    assert lowered.schema == {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "colour": {"$ref": "#/$defs/Colour"},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 1},
            "kind": {"type": "string", "const": "sweet"},
            "main": step | {"description": "The main one"},
        },
        "required": ["title", "colour", "steps", "kind", "main"],
        "additionalProperties": False,
        "$defs": {"Colour": {"type": "string", "enum": ["red", "blue"]}, "Step": step},
    }


def test_a_model_that_holds_itself_keeps_its_reference() -> None:
    lowered = lower(of(Node))
    assert lowered.strict
    properties: Any = lowered.schema["properties"]
    assert properties["children"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert lowered.schema["required"] == ["value", "children"]


def test_a_recursive_reference_with_a_description_loses_the_description() -> None:
    schema: dict[str, Any] = {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/Node", "description": "The next"}},
            }
        },
        "$ref": "#/$defs/Node",
    }
    properties: Any = lower(schema).schema["properties"]
    assert properties == {"next": {"$ref": "#/$defs/Node"}}


def test_unions_lose_their_discriminator() -> None:
    properties: Any = lower(of(Owner)).schema["properties"]
    assert properties == {"pet": {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}}


def test_limits_it_has_no_words_for_become_hints() -> None:
    properties: Any = lower(of(Numbers)).schema["properties"]
    assert properties["unique"]["description"] == "uniqueItems: true"
    assert properties["code"] == {"type": "string", "description": "A code (pattern: ^(?!0)d+$)"}
    assert properties["address"] == {"type": "string", "description": "format: uri"}


def test_a_single_all_of_is_merged() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"allOf": [{"$ref": "#/definitions/A"}], "description": "The a"}},
        "definitions": {"A": {"type": "string"}},
    }
    lowered = lower(schema)
    assert lowered.schema["properties"] == {"a": {"type": "string", "description": "The a"}}
    assert lowered.schema["$defs"] == {"A": {"type": "string"}}


def test_references_to_old_style_definitions_move() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"$ref": "#/definitions/A"}},
        "definitions": {"A": {"type": ["string", "null"]}},
    }
    assert lower(schema).schema["properties"] == {"a": {"$ref": "#/$defs/A"}}


def test_one_of_joins_any_of_and_nullable_objects_are_closed() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "a": {"oneOf": [{"type": "string"}], "anyOf": [{"const": 1}]},
            "b": {"type": ["object", "null"], "properties": {"c": {"enum": [1, 2]}}},
            "d": {"type": "object", "additionalProperties": False},
        },
    }
    properties: Any = lower(schema).schema["properties"]
    assert properties["a"] == {"anyOf": [{"type": "string"}, {"const": 1, "type": "integer"}]}
    assert properties["b"]["required"] == ["c"]
    assert properties["d"] == {
        "type": "object",
        "additionalProperties": False,
        "properties": {},
        "required": [],
    }


def a_property(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (a_property({}), "any type"),
        (a_property(True), "any type"),
        (a_property({"description": "x"}), "any type"),
        (a_property({"type": "array"}), "any type"),
        (a_property({"type": "object"}), "without stated fields"),
        (a_property({"type": "object", "additionalProperties": {"type": "string"}}), "free keys"),
        (a_property({"not": {"type": "string"}}), "'not'"),
        (a_property({"type": "array", "prefixItems": [{"type": "string"}]}), "'prefixItems'"),
        (a_property({"allOf": [{"type": "string"}, {"minLength": 1}]}), "'allOf'"),
        (a_property({"$ref": "#/$defs/Nobody"}), "Nobody"),
        (a_property({"$ref": "https://elsewhere"}), "elsewhere"),
        (a_property(nested(70)), "too deeply"),
        ({"anyOf": [{"type": "object"}]}, "root"),
        ({"type": "object", "$defs": []}, "$defs"),
    ],
)
def test_what_cannot_be_said_is_left_as_it_was(schema: dict[str, Any], problem: str) -> None:
    lowered = lower(schema)
    assert not lowered.strict
    assert lowered.schema == schema
    assert problem in str(lowered.problem)


def test_agrees_with_openais_own_package_on_structure() -> None:
    def bones(node: Any) -> Any:
        if isinstance(node, dict):
            soft = {"title", "default", "description", "minLength"}
            return {key: bones(value) for key, value in node.items() if key not in soft}
        return [bones(item) for item in node] if isinstance(node, list) else node

    assert bones(lower(of(Recipe)).schema) == bones(to_strict_json_schema(Recipe))


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (a_property({"type": "string"}), False),
        (a_property({"type": "string"}) | {"required": ["a"]}, True),
        (a_property({}) | {"required": ["a"]}, False),
        (a_property({"type": "array", "items": a_property({"type": "string"})}), False),
        (
            a_property({"anyOf": [a_property({"type": "string"})]}) | {"required": ["a"]},
            False,
        ),
    ],
)
def test_knows_what_is_strict_already(schema: dict[str, Any], strict: bool) -> None:
    assert already_strict(schema) is strict


def test_the_given_schema_is_not_changed() -> None:
    schema = a_property({"type": "string", "default": "x"})
    lower(schema)
    assert schema == a_property({"type": "string", "default": "x"})
