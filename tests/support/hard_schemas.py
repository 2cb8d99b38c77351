"""Types and schemas that dialects find hard, each with an answer that fits."""

from __future__ import annotations

import enum
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AnyUrl, BaseModel, ConfigDict, Field

__all__ = ["HARD"]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Tree(BaseModel):
    """A tree."""

    name: str
    children: list[Tree] = []


class Even(BaseModel):
    odd: Odd | None = None


class Odd(BaseModel):
    even: Even | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Tagged(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Untagged(BaseModel):
    pet: Cat | Dog | str | None


class Choices(BaseModel):
    colour: Colour
    level: Level
    mixed: Literal["a", 1, True, None]


class Defaults(BaseModel):
    count: int = 3
    label: str = "x"
    tags: list[str] = Field(default_factory=lambda: ["a"])


class Optionals(BaseModel):
    needed: int | None
    free: str | None = None


class Maps(BaseModel):
    sizes: dict[str, int]


class MapOfModels(BaseModel):
    inner: Defaults
    by_name: dict[str, Cat]


class Tuples(BaseModel):
    pair: tuple[str, int]


class Sets(BaseModel):
    words: set[str]


class Numbers(BaseModel):
    age: int = Field(ge=0, le=120)
    share: float = Field(gt=0, lt=1)
    even: int = Field(multiple_of=2)


class Strings(BaseModel):
    code: str = Field(min_length=2, max_length=8)
    plate: str = Field(pattern="^[A-Z]{2}[0-9]+$")


class Lookaround(BaseModel):
    word: Annotated[str, Field(json_schema_extra={"pattern": "^(?!0)\\d+$"})]


class Formats(BaseModel):
    day: date
    at: datetime
    hour: time
    id: UUID
    link: AnyUrl


class Money(BaseModel):
    price: Decimal


class Lists(BaseModel):
    few: list[int] = Field(min_length=1, max_length=3)
    grid: list[list[float]]


class Nested(BaseModel):
    trees: list[Tree]
    main: Tree = Field(description="The main one")


class Empty(BaseModel):
    pass


class WithEmpty(BaseModel):
    nothing: Empty


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


class Anything(BaseModel):
    inner: Defaults
    value: Any


class Aliased(BaseModel):
    class_: str = Field(alias="class")
    ref: str = Field(alias="$ref", description="Not a reference, but a name")
    type: str


class Described(BaseModel):
    """What it is.

    Attributes:
        colour: Which.
    """

    colour: Colour = Field(description="Which", examples=["red"])
    old: str = Field(deprecated=True, default="")


CONDITIONAL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "deep": {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "if": {"properties": {"a": {"const": "x"}}},
            "then": {"minProperties": 1},
        }
    },
    "required": ["deep"],
}
ALL_OF: dict[str, Any] = {
    "type": "object",
    "properties": {
        "both": {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
            ]
        }
    },
    "required": ["both"],
}
OLD_STYLE: dict[str, Any] = {
    "type": "object",
    "definitions": {"Leaf": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}},
    "properties": {"leaf": {"$ref": "#/definitions/Leaf"}},
    "required": ["leaf"],
}
WHOLE_REFERENCE: dict[str, Any] = {
    "type": "object",
    "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "required": ["next"],
}
PATTERN_KEYS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "list": {
            "type": "array",
            "items": {"type": "object", "patternProperties": {"^x": {"type": "string"}}},
        }
    },
    "required": ["list"],
}

HARD: dict[str, tuple[Any, Any]] = {
    "recursive": (Tree, {"name": "a", "children": [{"name": "b", "children": []}]}),
    "mutually recursive": (Even, {"odd": {"even": {"odd": None}}}),
    "tagged union": (Tagged, {"pet": {"kind": "dog", "tricks": ["sit"]}}),
    "untagged union": (Untagged, {"pet": {"kind": "cat", "lives": 9}}),
    "enums and mixed literals": (Choices, {"colour": "red", "level": 2, "mixed": 1}),
    "defaults": (Defaults, {"count": 1, "label": "y", "tags": []}),
    "optionals": (Optionals, {"needed": None, "free": None}),
    "a map": (Maps, {"sizes": {"a": 1}}),
    "a map of models": (
        MapOfModels,
        {
            "inner": {"count": 1, "label": "", "tags": []},
            "by_name": {"a": {"kind": "cat", "lives": 1}},
        },
    ),
    "a tuple": (Tuples, {"pair": ["a", 1]}),
    "a set": (Sets, {"words": ["a", "b"]}),
    "bounds": (Numbers, {"age": 3, "share": 0.5, "even": 4}),
    "lengths and a pattern": (Strings, {"code": "ab", "plate": "AB1"}),
    "a pattern that looks around": (Lookaround, {"word": "12"}),
    "formats": (
        Formats,
        {
            "day": "2026-11-21",
            "at": "2026-11-21T10:00:00Z",
            "hour": "10:00:00Z",
            "id": "9b2c7cde-7a4f-4a7e-8d5c-5b6a3f1f0a11",
            "link": "https://example.com/",
        },
    ),
    "a decimal": (Money, {"price": "1.50"}),
    "lists": (Lists, {"few": [1], "grid": [[1.5], []]}),
    "references with descriptions": (
        Nested,
        {"trees": [], "main": {"name": "a", "children": []}},
    ),
    "an empty object": (WithEmpty, {"nothing": {}}),
    "an open object": (Open, {"name": "a"}),
    "a closed object": (Closed, {"name": "a"}),
    "a value of any type": (
        Anything,
        {"inner": {"count": 1, "label": "", "tags": []}, "value": 3},
    ),
    "names of keywords": (Aliased, {"class": "a", "$ref": "b", "type": "c"}),
    "docstrings and examples": (Described, {"colour": "red", "old": ""}),
    "a list at the root": (list[Cat], {"value": [{"kind": "cat", "lives": 1}]}),
    "a union at the root": (Cat | int, {"value": 3}),
    "if and then": (CONDITIONAL, {"deep": {"a": "b"}}),
    "allOf of two": (ALL_OF, {"both": {"a": "x", "b": 1}}),
    "definitions of old": (OLD_STYLE, {"leaf": {"a": None}}),
    "a reference to the whole": (WHOLE_REFERENCE, {"next": {"next": None}}),
    "keys by pattern": (PATTERN_KEYS, {"list": [{"x1": "a"}]}),
}
"""By name: what ``output=`` takes, and an answer that fits, with every field filled."""
