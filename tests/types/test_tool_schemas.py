"""Tools from Python functions, and the schemas of structured output."""

from __future__ import annotations

import builtins
import enum
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from pydantic import BaseModel, Field, ValidationError
from typing_extensions import TypedDict

from gensdk.types import OutputSchema, TextRequest, Tool


class Place(BaseModel):
    city: str
    country: str = "FR"


def weather(
    place: Place,
    days: Annotated[int, Field(ge=1, description="how many")] = 3,
    unit: Literal["C", "F"] = "C",
    note: str | None = None,
    *,
    schema: str = "",
    _id: int = 0,
    model_name: str = "",
) -> str:
    """Tell the weather.

    Over several days.

    Args:
        place: Where to
            look.
        unit (str, optional): Celsius or not.
        note:
            On the next line.

    Returns:
        Words.
    """
    return ""


async def asynchronous(query: str) -> str:
    return query


class Desk:
    """A place to work at."""

    def find(self, query: str, most: int = 5) -> list[str]:
        """Find papers."""
        return []

    def __call__(self, query: str) -> str:
        """Ask the desk."""
        return query

    @staticmethod
    def count(items: list[int]) -> int:
        return len(items)

    @classmethod
    def make(cls, name: str) -> str:
        return name


def properties(tool: Tool) -> dict[str, Any]:
    found: Any = tool.parameters["properties"]
    return dict(found)


def test_a_function_tells_its_schema() -> None:
    tool = Tool.of(weather)
    assert (tool.name, tool.description) == ("weather", "Tell the weather.\n\nOver several days.")
    assert tool.function is weather
    assert tool.parameters["required"] == ["place"]
    assert tool.parameters["additionalProperties"] is False
    found = properties(tool)
    assert list(found) == ["place", "days", "unit", "note", "schema", "_id", "model_name"]
    assert found["place"]["$ref"] == "#/$defs/Place"
    assert found["place"]["description"] == "Where to look."
    assert found["days"] == {
        "type": "integer", "minimum": 1, "default": 3, "description": "how many",
    }  # fmt: skip
    assert found["unit"]["enum"] == ["C", "F"]
    assert found["unit"]["description"] == "Celsius or not."
    assert found["note"]["description"] == "On the next line."
    assert "title" not in json.dumps([found["days"], found["schema"]])


@pytest.mark.parametrize(
    ("function", "name", "names"),
    [
        (asynchronous, "asynchronous", ["query"]),
        (Desk().find, "find", ["query", "most"]),
        (Desk(), "Desk", ["query"]),
        (Desk.count, "count", ["items"]),
        (Desk.make, "make", ["name"]),
        (functools.partial(weather, unit="F"), "weather", list(properties(Tool.of(weather)))),
    ],
)
def test_every_kind_of_callable(function: Any, name: str, names: list[str]) -> None:
    tool = Tool.of(function)
    assert tool.name == name
    assert list(properties(tool)) == names


def test_without_arguments_and_docstring() -> None:
    def now() -> str:
        return ""

    tool = Tool.of(now)
    assert tool.description == ""
    assert tool.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert Tool(name="now").parameters == tool.parameters
    assert tool.validate_arguments({}) == {}


def test_old_spellings_of_types() -> None:
    def f(a: Optional[int] = None, b: Union[int, str] = 0, c: Any = None, d=4):  # type: ignore[no-untyped-def]  # noqa: UP007, UP045
        return a

    assert list(properties(Tool.of(f))) == ["a", "b", "c", "d"]
    assert properties(Tool.of(f))["d"] == {"default": 4}


def test_a_docstring_is_read_where_it_looks_like_google_style() -> None:
    def f(a: int, b: int) -> None:
        """Do it.

        Args:
            a: One: with a colon.
            unknown: Not a parameter.
            b (int): Two.
        """

    found = properties(Tool.of(f))
    assert found["a"]["description"] == "One: with a colon."
    assert found["b"]["description"] == "Two."


def bad_hint(a: NoSuchType) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Its type cannot be found."""


def no_schema(a: Callable[[], None]) -> None:
    """Its type has no JSON schema."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda a: a, "no name"),
        (bad_hint, "NoSuchType"),
        (no_schema, "no_schema"),
        (print, r"\*args"),
        (len, "by name"),
        (lambda **k: k, "no name"),
    ],
)
def test_what_cannot_be_a_tool_says_why(function: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Tool.of(function)


def test_arguments_become_python_values() -> None:
    tool = Tool.of(weather)
    found = tool.validate_arguments(
        {"place": {"city": "Lyon"}, "days": "4", "_id": 7, "schema": "s"}
    )
    assert found == {"place": Place(city="Lyon"), "days": 4, "_id": 7, "schema": "s"}
    assert Tool(name="x").validate_arguments({"any": 1}) == {"any": 1}


def test_wrong_arguments_are_told_without_their_values() -> None:
    with pytest.raises(ValueError) as caught:
        Tool.of(weather).validate_arguments({"days": 0, "secret": "sk-1", "place": {"city": 5}})
    text = str(caught.value)
    assert sorted(line.partition(":")[0] for line in text.splitlines()) == [
        "days", "place.city", "secret",
    ]  # fmt: skip
    assert "sk-1" not in text


@pytest.mark.parametrize("name", ["", "a\n", "a b", "a" * 65, "é", "a.b"])
def test_a_tool_name_is_plain(name: str) -> None:
    with pytest.raises(ValidationError, match="tool name"):
        Tool(name=name)


def test_requests_take_functions_tools_and_json() -> None:
    request = TextRequest(prompt="x", tools=[weather, Tool(name="b"), {"name": "c"}])
    assert [tool.name for tool in request.tools] == ["weather", "b", "c"]
    assert TextRequest(prompt="x", tools=weather).tools[0].function is weather
    back = TextRequest.model_validate_json(request.model_dump_json())
    assert back.tools[0].function is None
    assert back.tools[0].parameters == request.tools[0].parameters


# ---------------------------------------------------------------------------- structured output
class Recipe(BaseModel):
    title: str
    steps: list[str]


class Colour(enum.Enum):
    RED = "red"


class Point(TypedDict):
    x: int


@dataclass
class Pair:
    left: int
    right: int


class Node(BaseModel):
    children: list[Node] = []


ARRAY = {"type": "array", "items": {"type": "integer"}, "title": "some numbers!"}


@pytest.mark.parametrize(
    ("shape", "name", "wrapped", "text", "expected"),
    [
        (Recipe, "Recipe", False, '{"title": "t", "steps": []}', Recipe(title="t", steps=[])),
        (Node, "Node", False, '{"children": [{}]}', Node(children=[Node()])),
        (Point, "Point", False, '{"x": 1}', {"x": 1}),
        (Pair, "Pair", False, '{"left": 1, "right": 2}', Pair(1, 2)),
        (dict[str, int], "dict", False, '{"a": 1}', {"a": 1}),
        (list[int], "list", True, '{"value": [1, 2]}', [1, 2]),
        (list[Recipe], "list", True, '{"value": []}', []),
        (int, "int", True, '{"value": 5}', 5),
        (Colour, "Colour", True, '{"value": "red"}', Colour.RED),
        (Literal["a", "b"], "Literal", True, '{"value": "b"}', "b"),
        (Recipe | None, "output", True, '{"value": null}', None),
        ({"type": "object"}, "output", False, '{"a": 1}', {"a": 1}),
        ({"title": "My answer", "properties": {}}, "My_answer", False, "{}", {}),
        ({}, "output", False, "{}", {}),
        (ARRAY, "some_numbers", True, '{"value": [1]}', [1]),
        ({"enum": ["a"]}, "output", True, '{"value": "a"}', "a"),
    ],
)
def test_shapes(shape: Any, name: str, wrapped: bool, text: str, expected: Any) -> None:
    schema = OutputSchema.of(shape)
    assert (schema.name or "output", schema.wrapped) == (name, wrapped)
    assert schema.parse(text) == expected
    assert OutputSchema.of(schema) is schema
    back = OutputSchema.model_validate_json(schema.model_dump_json())
    assert back.type is None
    assert (back.json_schema, back.wrapped) == (schema.json_schema, wrapped)
    if wrapped:
        assert back.json_schema["type"] == "object"


def test_definitions_stay_at_the_root() -> None:
    schema = OutputSchema.of(list[Recipe]).json_schema
    assert set(schema) == {"type", "properties", "required", "additionalProperties", "$defs"}


@pytest.mark.parametrize(
    ("shape", "text", "problem"),
    [
        (Recipe, '{"title": 5, "steps": []}', "title: "),
        (Recipe, "no json", "(root): "),
        (Recipe, "", "(root): "),
        (Recipe, '{"title": "\ud800"}', "steps: "),
        (list[int], "[1]", "(root): "),
        (list[int], '{"value": [1], "more": 2}', "more: "),
        (list[int], '{"value": ["a"]}', "value.0: "),
        ({"type": "object"}, "[]", "(root): "),
        ({"type": "object", "required": ["a"]}, "{}", "a: missing"),
        ({"properties": {"a": {"type": "integer"}}}, '{"a": "x"}', "a: "),
        ({"type": "object"}, '{"a": NaN}', "expected"),
        ({"type": "object"}, "[" * 10_000, "recursion"),
        (ARRAY, '{"value": ["x"]}', "value.0: "),
        ({"properties": {"a": {"type": "nope"}}}, "{}", "the schema itself"),
        ({"properties": {"a": {"$ref": "#/$defs/no"}}}, '{"a": 1}', "the schema itself"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/"}}}, '{"a": 1}', "the schema itself"),
    ],
)
def test_what_does_not_fit(shape: Any, text: str, problem: str) -> None:
    """A ``$ref`` to another place is not fetched."""
    with pytest.raises(ValueError) as caught:
        OutputSchema.of(shape).parse(text)
    assert str(caught.value).startswith(problem)


def test_without_jsonschema_the_outermost_level_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "jsonschema":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    schema = OutputSchema.of({"required": ["a"], "properties": {"a": {"type": "integer"}}})
    assert schema.parse('{"a": "unchecked"}') == {"a": "unchecked"}
    with pytest.raises(ValueError, match="a: missing"):
        schema.parse("{}")
    with pytest.raises(ValueError, match="not a JSON object"):
        schema.parse("[]")


@pytest.mark.parametrize("bad", [5, "Recipe", object(), Callable[[], int], lambda: 0, print])
def test_what_is_no_shape(bad: Any) -> None:
    with pytest.raises(ValueError):
        OutputSchema.of(bad)
    with pytest.raises(ValidationError, match="output"):
        TextRequest(prompt="x", output=bad)


def test_a_json_schema_with_odd_names_is_not_taken_for_our_own_form() -> None:
    shape = {"type": "object", "properties": {"name": {}, "json_schema": {}}}
    request = TextRequest(prompt="x", output=shape)
    assert request.output is not None
    assert request.output.json_schema == shape
    odd: dict[str, Any] = {"name": {}, "json_schema": {}, "properties": {}}
    request = TextRequest(prompt="x", output=odd)
    assert request.output is not None
    assert request.output.json_schema == odd
