"""JSON Schema as the grammar of this machine follows it (llguidance).

Most of JSON Schema is followed as it is. A bound it has no words for (``uniqueItems``, a pattern
that looks around or back, a format it does not know) is left out, and the finished answer is
checked against the whole schema as ever; ``oneOf`` becomes ``anyOf``. What shapes the answer and
cannot be followed is refused.

Source: llguidance 1.x ``docs/json_schema.md`` and what it says of each keyword, read 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gensdk.toolkit.dialect import NotExpressibleError, inside
from gensdk.types import JsonObject

__all__ = ["followed"]

_STRUCTURAL = frozenset({
    "not", "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames",
    "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties",
    "unevaluatedItems", "additionalItems", "$dynamicRef", "$recursiveRef",
})  # fmt: skip

_FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri",
})  # fmt: skip
_NUMBERS = frozenset({"integer", "number"})
_BEYOND = re.compile(r"\(\?[=!<]|\\[bB1-9]")
"""Patterns that look around or back. ``(?<name>…)`` is one too much; it is left out with them."""

_OPEN = frozenset({"allOf", "anyOf", "oneOf", "patternProperties", "$ref"})
_MAX_DEPTH = 64


def followed(schema: JsonObject, *, all_of_it: bool = False) -> tuple[JsonObject, tuple[str, ...]]:
    """A schema as it is followed, and what of it is left to the check of the finished answer.

    Objects hold what they name and nothing else, unless the schema says otherwise: JSON schema
    allows further fields where nothing is said, and a model would invent them.

    Args:
        schema: The schema.
        all_of_it: Refuse what shapes the answer and cannot be followed.

    Raises:
        NotExpressibleError: There is such a thing.
    """
    reader = _Reader(all_of_it, frozenset(_joined_definitions(schema)))
    return reader.node(schema, "", 0), tuple(reader.left)


class _Reader:
    def __init__(self, all_of_it: bool, joined: frozenset[str]) -> None:
        self._all_of_it = all_of_it
        self._joined = joined
        self.left: list[str] = []

    def node(self, given: Any, path: str, depth: int, *, closes: bool = True) -> Any:
        if not isinstance(given, dict):
            return given
        if depth > _MAX_DEPTH:
            raise NotExpressibleError("so deep a nesting")
        if self._all_of_it and (found := _STRUCTURAL & given.keys()):
            raise NotExpressibleError(f"the keyword {min(found)!r}")
        node = self._without_bounds(given, path)
        if "oneOf" in node and "anyOf" not in node:
            node["anyOf"] = node.pop("oneOf")
        for name in ("properties", "patternProperties", "$defs", "definitions"):
            if isinstance(node.get(name), Mapping):
                node[name] = self._map(node[name], name, path, depth)
        self._inner(node, path, depth)
        is_closed = node.get("type") == "object" and "properties" in node
        if closes and is_closed and not _OPEN & node.keys():
            node.setdefault("additionalProperties", False)
        return node

    def _inner(self, node: dict[str, Any], path: str, depth: int) -> None:
        for name, step in (("items", "[]"), ("additionalProperties", "*")):
            if name in node:
                with inside(step):
                    node[name] = self.node(node[name], _joined(path, step), depth + 1)
        for name in ("anyOf", "allOf", "prefixItems"):
            if isinstance(node.get(name), list):
                alone = (name != "allOf" or len(node[name]) == 1) and not node.get("properties")
                node[name] = [self.node(one, path, depth + 1, closes=alone) for one in node[name]]

    def _map(self, nodes: Mapping[str, Any], name: str, path: str, depth: int) -> dict[str, Any]:
        found = {}
        for key, one in nodes.items():
            step = f"{name}.{key}" if name in {"$defs", "definitions"} else key
            with inside(step):
                closes = step not in self._joined
                found[key] = self.node(one, _joined(path, step), depth + 1, closes=closes)
        return found

    def _without_bounds(self, given: dict[str, Any], path: str) -> dict[str, Any]:
        node = dict(given)
        pattern, form = node.get("pattern"), node.get("format")
        if "uniqueItems" in node and node.pop("uniqueItems"):
            self.left.append(_told("uniqueItems", path))
        if isinstance(pattern, str) and _BEYOND.search(pattern):
            del node["pattern"]
            self.left.append(_told("pattern", path))
        if form is not None and form not in _FORMATS:
            del node["format"]
            if node.get("type") not in _NUMBERS:
                self.left.append(_told("format", path))
        return node


def _joined(path: str, step: str) -> str:
    return f"{path}{step}" if step == "[]" or not path else f"{path}.{step}"


def _joined_definitions(node: object) -> Iterator[str]:
    """Definitions that stand beside others in an ``allOf``: closed, each would forbid the rest."""
    if isinstance(node, list):
        for one in node:
            yield from _joined_definitions(one)
    if not isinstance(node, dict):
        return
    parts = node.get("allOf")
    if isinstance(parts, list) and len(parts) > 1:
        for part in parts:
            if isinstance(part, dict) and isinstance(part.get("$ref"), str):
                yield part["$ref"].removeprefix("#/").replace("/", ".", 1)
    for one in node.values():
        yield from _joined_definitions(one)


def _told(keyword: str, path: str) -> str:
    return f"{keyword} (at {path!r})" if path else keyword
