"""How large a schema strict mode takes; a larger one is sent without ``strict``.

Source: OpenAI's Structured Outputs guide ("Objects have limitations on nesting depth and size",
"Limitations on total string size", "Limitations on enum size"), read 2026-11-20. Only what is
surely too large is told: a level of nesting is an object inside an object as it is written, and
references are not followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["beyond_limits"]

MAX_NESTING = 10
MAX_PROPERTIES = 5000
MAX_CHARACTERS = 120_000
MAX_ENUM_VALUES = 1000
UNBOUNDED_ENUM_VALUES = 250
MAX_ENUM_CHARACTERS = 15_000


def beyond_limits(schema: dict[str, Any]) -> str | None:
    """Which limit a lowered schema breaks, None for none."""
    properties = enum_values = 0
    characters = sum(map(len, schema.get("$defs", ())))
    for node, level in _nodes(schema, 0):
        names, values = node.get("properties", {}), node.get("enum", ())
        said = _characters(values)
        if len(values) > UNBOUNDED_ENUM_VALUES and said > MAX_ENUM_CHARACTERS:
            return f"an enum of {len(values)} values with {said} characters"
        if level > MAX_NESTING:
            return f"more than {MAX_NESTING} objects inside each other"
        properties += len(names)
        enum_values += len(values)
        characters += sum(map(len, names)) + said
        if "const" in node:
            characters += _characters([node["const"]])
    if properties > MAX_PROPERTIES:
        return f"{properties} properties (the limit is {MAX_PROPERTIES})"
    if enum_values > MAX_ENUM_VALUES:
        return f"{enum_values} enum values (the limit is {MAX_ENUM_VALUES})"
    if characters > MAX_CHARACTERS:
        return f"{characters} characters of names and values (the limit is {MAX_CHARACTERS})"
    return None


def _characters(values: Any) -> int:
    return sum(len(value) for value in values if isinstance(value, str))


def _nodes(node: dict[str, Any], above: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Every schema in a lowered schema, with the number of objects around it and itself."""
    level = above + ("properties" in node)
    yield node, level
    for name in ("properties", "$defs"):
        inside = level if name == "properties" else 0
        for inner in node.get(name, {}).values():
            yield from _nodes(inner, inside)
    if "items" in node:
        yield from _nodes(node["items"], level)
    for inner in node.get("anyOf", ()):
        yield from _nodes(inner, level)
