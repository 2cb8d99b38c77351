"""JSON Schema in Google's dialect: golden pairs, and what is noted."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from gensdk.backends.google.schema import lower
from gensdk.toolkit import Notes
from gensdk.types import OutputSchema
from tests.support.google_api import context


def lowered(schema: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    notes = Notes("google", context())
    return lower(schema, "output", notes), [one.sent for one in notes.warnings]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "string", "minLength": 2, "description": "d"},
         {"type": "string", "description": "d (minLength: 2)"}),
        ({"type": "string", "pattern": "^a$"},
         {"type": "string", "description": 'pattern: "^a$"'}),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9, "default": 3},
         {"type": "integer", "minimum": 1, "maximum": 8}),
        ({"type": "number", "exclusiveMinimum": 0},
         {"type": "number", "description": "exclusiveMinimum: 0"}),
        ({"const": "a", "type": "string"}, {"type": "string", "enum": ["a"]}),
        ({"const": None}, {"type": "null"}),
        ({"enum": ["a", 1, 2.5]}, {"enum": ["a", 1, 2.5]}),
        ({"enum": [True, None]}, {"description": "one of [true, null]"}),
        ({"allOf": [{"type": "string", "maxLength": 3}], "title": "T"},
         {"type": "string", "title": "T", "description": "maxLength: 3"}),
        ({"allOf": [{"$ref": "#/$defs/A"}], "description": "d"},
         {"description": "d", "anyOf": [{"$ref": "#/$defs/A"}]}),
        ({"$ref": "#/$defs/A", "description": "lost"}, {"$ref": "#/$defs/A"}),
        ({"type": "array", "items": True, "minItems": 1, "uniqueItems": True},
         {"type": "array", "items": True, "minItems": 1, "description": "uniqueItems: true"}),
        ({"prefixItems": [{"type": "string"}], "x-mine": 1},
         {"prefixItems": [{"type": "string"}]}),
        ({"type": "object", "additionalProperties": {"type": "string", "examples": ["x"]}},
         {"type": "object", "additionalProperties": {"type": "string"}}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "oneOf": [{"const": 1}]},
         {"anyOf": [{"type": "string"}, {"type": "null"}], "oneOf": [{"enum": [1]}]}),
    ],
)  # fmt: skip
def test_golden(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert lowered(given) == (expected, [])


@pytest.mark.parametrize(
    ("given", "lost"),
    [
        ({"type": "object", "patternProperties": {}, "not": {}}, "not, patternProperties"),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, "allOf"),
        (
            {"properties": {"a": {"items": {"if": {}, "then": {}}}}},
            "if (at 'a[]'), then (at 'a[]')",
        ),
    ],
)
def test_what_cannot_be_said_is_noted(given: dict[str, Any], lost: str) -> None:
    assert lowered(given)[1] == [lost]


def test_schemas_without_a_bottom() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"items": deep}
    assert lowered(deep)[1] == ["deep nesting"]


def test_a_model_of_pydantic() -> None:
    class Step(BaseModel):
        kind: Literal["stir", "bake"]
        minutes: int = Field(gt=0, description="how long")

    class Recipe(BaseModel):
        title: str = Field(min_length=1)
        steps: list[Step]
        note: str | None = None

    schema, lost = lowered(OutputSchema.of(Recipe).json_schema)
    assert lost == []
    assert schema == {
        "$defs": {
            "Step": {
                "properties": {
                    "kind": {"enum": ["stir", "bake"], "title": "Kind", "type": "string"},
                    "minutes": {
                        "description": "how long", "minimum": 1, "title": "Minutes",
                        "type": "integer",
                    },
                },
                "required": ["kind", "minutes"], "title": "Step", "type": "object",
            }
        },
        "properties": {
            "title": {"title": "Title", "type": "string", "description": "minLength: 1"},
            "steps": {"items": {"$ref": "#/$defs/Step"}, "title": "Steps", "type": "array"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Note"},
        },
        "required": ["title", "steps"], "title": "Recipe", "type": "object",
    }  # fmt: skip
