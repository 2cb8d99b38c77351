"""JSON Schema lowered to what Claude's structured outputs understand.

Objects are closed, optional fields stay optional, ``oneOf`` becomes ``anyOf``, several types
become alternatives. Limits there are no words for go into the description, and the client's own
validation checks them. A schema whose *structure* cannot be said (free keys, tuples, values of
any type) is refused.

Sources: the structured outputs guide ("JSON Schema limitations") and ``anthropic`` 2.11
``lib/_parse/_transform.py``; read 2026-11-21.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gensdk.toolkit.dialect import NotExpressibleError, inside
from gensdk.types import JsonObject

__all__ = ["NotExpressibleError", "lower"]

_STRUCTURAL = frozenset({
    "patternProperties", "propertyNames", "unevaluatedProperties", "prefixItems", "contains",
    "unevaluatedItems", "additionalItems", "$dynamicRef", "$recursiveRef", "dependentSchemas",
    "if", "then", "else", "not",
})  # fmt: skip
"""Keywords that shape the answer and that there are no words for."""

_SAYS_NOTHING = frozenset({
    "title", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$schema",
    "$id", "$comment", "$anchor", "discriminator",
})  # fmt: skip
"""Keywords that say nothing about which answers are valid; left out."""

_FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
})  # fmt: skip
_PRIMITIVE = (str, int, float, bool, type(None))
_MAX_DEPTH = 64


def lower(schema: JsonObject) -> JsonObject:
    """The schema as it is sent.

    Raises:
        NotExpressibleError: Its structure cannot be said.
    """
    root = dict(schema)
    definitions = root.pop("$defs", None) or root.pop("definitions", None)
    lowered = _node(root, 0)
    if isinstance(definitions, dict):
        lowered["$defs"] = {
            name: _below(f"$defs.{name}", node, 0) for name, node in definitions.items()
        }
    return lowered


def _node(given: object, depth: int) -> dict[str, Any]:
    if not isinstance(given, dict) or not given.keys() - _SAYS_NOTHING - {"description"}:
        raise NotExpressibleError("a value of any type")
    if depth > _MAX_DEPTH:
        raise NotExpressibleError("so deep a nesting")
    if found := _STRUCTURAL & given.keys():
        raise NotExpressibleError(f"the keyword {min(found)!r}")
    rest = {key: value for key, value in given.items() if key not in _SAYS_NOTHING}
    if "$ref" in rest:
        return {"$ref": _reference(rest["$ref"])}
    said = rest.pop("description", None)
    lowered = _shape(rest, depth)
    hints = [f"{key}: {json.dumps(value)}" for key, value in rest.items()]
    if hints:
        said = f"{said} ({'; '.join(hints)})" if said else "; ".join(hints)
    return lowered | ({"description": said} if said else {})


def _below(step: str, given: object, depth: int) -> dict[str, Any]:
    with inside(step):
        return _node(given, depth)


def _reference(target: object) -> str:
    """A reference inside the schema; the older name of the definitions becomes the newer."""
    place, _, name = str(target).rpartition("/")
    if place not in {"#/$defs", "#/definitions"}:
        raise NotExpressibleError(f"the reference {str(target)!r}")
    return f"#/$defs/{name}"


def _shape(rest: dict[str, Any], depth: int) -> dict[str, Any]:
    """Take what can be said out of a node; what remains in it becomes a hint."""
    for name in ("const", "enum"):
        if name in rest:
            return _fixed(rest, name)
    for name in ("anyOf", "oneOf", "allOf"):
        if name in rest:
            return _several(rest, name, depth)
    kind = rest.pop("type", None)
    if isinstance(kind, list):
        each = [{**rest, "type": one} for one in kind]
        rest.clear()
        return {"anyOf": [_node(item, depth + 1) for item in each]}
    if kind == "object":
        return {"type": kind, **_fields(rest, depth)}
    if kind == "array":
        return {"type": kind, **_items(rest, depth)}
    if kind == "string" and rest.get("format") in _FORMATS:
        return {"type": kind, "format": rest.pop("format")}
    if not isinstance(kind, str):
        raise NotExpressibleError("a value of any type")
    _without_foreign(rest, kind)
    return {"type": kind}


def _several(rest: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
    rest.pop("type", None)
    parts = rest.pop(name)
    if rest.get("properties"):  # each alternative is closed, and would forbid them
        raise NotExpressibleError(f"fields beside {name!r}")
    if name == "allOf" and len(parts) > 1:
        _all_of_one_value(parts)
    inner = [_node(item, depth + 1) for item in parts]
    return {"allOf" if name == "allOf" else "anyOf": inner}


def _all_of_one_value(parts: list[Any]) -> None:
    """Several parts may bound one plain value; of objects, each would forbid what others need."""
    for part in parts:
        if not isinstance(part, dict) or part.get("type") in {"object", "array"} or "$ref" in part:
            raise NotExpressibleError("the keyword 'allOf' with several objects")


_FOREIGN = frozenset({"properties", "required", "additionalProperties", "items"})


def _without_foreign(rest: dict[str, Any], kind: str) -> None:
    """Keywords of objects and arrays mean nothing beside another type."""
    if kind not in {"object", "array"}:
        for name in _FOREIGN & rest.keys():
            del rest[name]


def _fixed(rest: dict[str, Any], name: str) -> dict[str, Any]:
    value = rest.pop(name)
    values = value if name == "enum" else [value]
    if not values or not all(isinstance(one, _PRIMITIVE) for one in values):
        raise NotExpressibleError("a fixed object or array")
    rest.pop("type", None)
    return {name: value}


def _fields(rest: dict[str, Any], depth: int) -> dict[str, Any]:
    stated = "properties" in rest
    properties: Mapping[str, Any] = rest.pop("properties", None) or {}
    free = rest.pop("additionalProperties", None)
    if isinstance(free, dict) or (not properties and free is not False and (free or not stated)):
        raise NotExpressibleError("a dictionary with free keys")
    required = rest.pop("required", None)
    rest.pop("items", None)
    fields = {name: _below(name, node, depth + 1) for name, node in properties.items()}
    closed: dict[str, Any] = {"properties": fields, "additionalProperties": False}
    return closed | ({"required": list(required)} if required else {})


def _items(rest: dict[str, Any], depth: int) -> dict[str, Any]:
    items = {"items": _below("[]", rest.pop("items", None), depth + 1)}
    if rest.get("minItems") in {0, 1}:
        items["minItems"] = rest.pop("minItems")
    for name in _FOREIGN & rest.keys():
        del rest[name]
    return items
