"""JSON Schema lowered to the dialect of OpenAI's strict mode.

In strict mode the model cannot leave the schema, but only a part of JSON Schema is understood:
every object closed, every property required, no ``allOf``, no ``default``, and so on. What can be
said in that part is rewritten without changing which answers are valid to a reader who fills
every field; limits it cannot express go into the description, and the client's own validation
checks them. A schema whose *structure* it cannot express (free-form dictionaries, tuples) is sent
without ``strict``.

Sources: OpenAI's Structured Outputs guide ("Supported schemas") and ``openai`` 3.52
``lib/_pydantic.py``; read 2026-11-20.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gensdk.toolkit import Notes
from gensdk.toolkit.dialect import NotExpressibleError, inside
from gensdk.types import JsonObject

from .schema_limits import beyond_limits

__all__ = ["Lowered", "already_strict", "lower", "name_for_wire", "note_loose"]

_STRUCTURAL = frozenset({
    "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
    "propertyNames", "unevaluatedProperties", "prefixItems", "contains", "unevaluatedItems",
    "additionalItems", "dependencies", "$dynamicRef", "$recursiveRef",
})  # fmt: skip
"""Keywords that shape the answer and that strict mode has no words for."""

_LIMITS = (
    "minLength", "maxLength", "minProperties", "maxProperties", "uniqueItems", "minContains",
    "maxContains",
)  # fmt: skip
"""Keywords that only narrow a value; they become a hint in the description."""

_WORDS = frozenset({
    "type", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "allOf",
    "enum", "const", "description", "$ref", "pattern", "format", "multipleOf", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", *_LIMITS,
})  # fmt: skip
"""Keywords that are understood or rewritten here; any other says nothing about the answer
(``title``, ``default``, ``x-…``) and may fail the call, so it is left out."""

_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6",
                      "uuid"})  # fmt: skip
_LOOKAROUND = ("(?=", "(?!", "(?<")
_MAX_DEPTH = 64
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Lowered:
    """A schema as it is sent.

    Attributes:
        schema: The schema.
        strict: Whether strict mode can enforce it.
        problem: Why not, where it cannot, with the path of the field.
    """

    schema: JsonObject
    strict: bool
    problem: str | None = None


def name_for_wire(name: str) -> str:
    """A schema's name as the API takes it: 1 to 64 letters, digits, ``_`` or ``-``."""
    return _NOT_A_NAME.sub("_", name)[:64] or "output"


def lower(schema: JsonObject) -> Lowered:
    """Lower a schema; one that strict mode cannot express comes back as it was."""
    return _lower_text(json.dumps(schema, sort_keys=False))


@lru_cache(maxsize=128)
def _lower_text(text: str) -> Lowered:
    schema: dict[str, Any] = json.loads(text)
    try:
        lowered = _root(schema)
    except NotExpressibleError as problem:
        return Lowered(schema, strict=False, problem=str(problem))
    if too_large := beyond_limits(lowered):
        return Lowered(schema, strict=False, problem=too_large)
    return Lowered(lowered, strict=True)


def already_strict(schema: Mapping[str, Any]) -> bool:
    """Whether strict mode takes the schema as it is: nothing optional, nothing open."""
    lowered = lower(dict(schema))
    return lowered.strict and _required_everywhere(schema)


def _required_everywhere(node: object) -> bool:
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict) and set(node.get("required", ())) != set(properties):
            return False
        return all(_required_everywhere(value) for value in node.values())
    if isinstance(node, list):
        return all(_required_everywhere(value) for value in node)
    return True


def _root(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.get("$defs", schema.get("definitions", {}))
    if not isinstance(definitions, dict):
        raise NotExpressibleError("$defs is no object")
    node = {key: value for key, value in schema.items() if key not in {"$defs", "definitions"}}
    if "$ref" in node:
        node = {**_target(node["$ref"], definitions), **_without(node, "$ref")}
    if node.get("type") != "object":
        raise NotExpressibleError("the root is not an object")
    if node.keys() & {"anyOf", "oneOf"}:
        raise NotExpressibleError("alternatives at the root")
    lowered = _node(node, definitions, 0)
    if "anyOf" in lowered:
        raise NotExpressibleError("alternatives at the root")
    if definitions:
        lowered["$defs"] = {
            name: _below(f"$defs.{name}", item, definitions, 0)
            for name, item in definitions.items()
        }
    return lowered


def _node(node: object, definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise NotExpressibleError("a value of any type")
    if depth > _MAX_DEPTH:
        raise NotExpressibleError("it is nested too deeply")
    if found := _STRUCTURAL & node.keys():
        raise NotExpressibleError(f"the keyword {min(found)!r}")
    kept = {key: value for key, value in node.items() if key in _WORDS}
    _limits_to_description(kept)
    if "$ref" in kept:
        return _reference(kept, definitions, depth)
    if "allOf" in kept:
        return _merged(kept, definitions, depth)
    return _spelled_out(kept, definitions, depth)


def _below(step: str, node: object, definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    with inside(step):
        return _node(node, definitions, depth)


def _spelled_out(
    node: dict[str, Any], definitions: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    """Lower a node that says itself what it is, and everything below it."""
    if "oneOf" in node:
        node["anyOf"] = [*node.pop("oneOf"), *node.get("anyOf", [])]
    if not node.keys() & {"type", "anyOf", "enum", "const"}:
        raise NotExpressibleError("a value of any type")
    if not node.keys() & {"type", "anyOf"}:
        node["type"] = _kinds([node["const"]] if "const" in node else node["enum"])
    if "anyOf" in node and node.get("properties"):
        raise NotExpressibleError("fields beside alternatives")
    if "anyOf" in node:
        node["anyOf"] = [_node(item, definitions, depth + 1) for item in node["anyOf"]]
    if _may_be(node, "array"):
        node["items"] = _below("[]", node.get("items"), definitions, depth + 1)
    if _may_be(node, "object"):
        _close(node, definitions, depth)
    return node


def _kinds(values: Sequence[Any]) -> str | list[str]:
    """The type of fixed values, which the server wants said (``schema must have a 'type' key``)."""
    if not values or any(type(value) not in _KINDS for value in values):
        raise NotExpressibleError("a fixed object or array")
    kinds = list(dict.fromkeys(_KINDS[type(value)] for value in values))
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    return kinds[0] if len(kinds) == 1 else kinds


def _may_be(node: Mapping[str, Any], kind: str) -> bool:
    declared = node.get("type")
    return declared == kind or (isinstance(declared, list) and kind in declared)


def _close(node: dict[str, Any], definitions: Mapping[str, Any], depth: int) -> None:
    """Close an object and require all of it."""
    properties = node.get("properties")
    if node.get("additionalProperties", False) is not False:
        raise NotExpressibleError("a dictionary with free keys")
    if not isinstance(properties, dict):
        if "additionalProperties" not in node:
            raise NotExpressibleError("an object without stated fields")
        properties = {}
    node["properties"] = {
        name: _below(name, item, definitions, depth + 1) for name, item in properties.items()
    }
    node["required"] = list(properties)
    node["additionalProperties"] = False


def _reference(node: dict[str, Any], definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """A ``$ref`` must stand alone; with a description beside it the target is copied in."""
    siblings = _without(node, "$ref")
    target = _target(node["$ref"], definitions)
    if not siblings or _mentions(target, node["$ref"]):
        return {"$ref": _plain_reference(node["$ref"])}
    return _node({**target, **siblings}, definitions, depth + 1)


def _merged(node: dict[str, Any], definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    parts = node["allOf"]
    if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], dict):
        raise NotExpressibleError("the keyword 'allOf' with several parts")
    return _node({**parts[0], **_without(node, "allOf")}, definitions, depth + 1)


def _target(reference: object, definitions: Mapping[str, Any]) -> dict[str, Any]:
    path, _, name = str(reference).rpartition("/")
    target = definitions.get(name)
    if path not in {"#/$defs", "#/definitions"} or not isinstance(target, dict):
        raise NotExpressibleError(f"the reference {reference!r}")
    return target


def _plain_reference(reference: object) -> str:
    return "#/$defs/" + str(reference).rpartition("/")[2]


def _mentions(node: object, reference: object) -> bool:
    if isinstance(node, dict):
        return node.get("$ref") == reference or any(
            _mentions(value, reference) for value in node.values()
        )
    return isinstance(node, list) and any(_mentions(value, reference) for value in node)


def _limits_to_description(node: dict[str, Any]) -> None:
    hints = [f"{name}: {json.dumps(node.pop(name))}" for name in _LIMITS if name in node]
    pattern = node.get("pattern")
    if isinstance(pattern, str) and any(mark in pattern for mark in _LOOKAROUND):
        hints.append(f"pattern: {node.pop('pattern')}")
    if "format" in node and node["format"] not in _FORMATS:
        hints.append(f"format: {node.pop('format')}")
    if hints:
        said = node.get("description")
        node["description"] = f"{said} ({'; '.join(hints)})" if said else "; ".join(hints)


def _without(node: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != key}


def note_loose(notes: Notes, lowered: Lowered) -> None:
    """Say that a schema goes without strict mode."""
    notes.adapt(
        "output",
        f"sent without strict mode, which has no words for {lowered.problem}; "
        "the answer is still checked here",
        sent="strict: false",
    )
