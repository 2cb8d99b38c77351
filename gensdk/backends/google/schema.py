"""JSON Schema lowered to what ``responseJsonSchema`` and ``parametersJsonSchema`` understand.

Google documents the keywords that count; others may fail the call. What only narrows a value goes
into the description, and the client's own validation checks it. ``allOf`` of one, ``const`` and
exclusive bounds of integers are rewritten. What shapes the answer and cannot be said is left out,
and noted.

Source, read 2026-11-21: field ``response_json_schema`` of google-genai 3.4.0 ``types.py`` and
ai.google.dev, page "structured output" (supported keywords; a ``$ref`` stands alone).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gensdk.toolkit import Notes
from gensdk.types import JsonObject

__all__ = ["lower"]

_KEPT = frozenset({
    "$id", "$anchor", "type", "format", "title", "description", "required", "minItems", "maxItems",
    "minimum", "maximum", "propertyOrdering",
})  # fmt: skip
_HINTS = (
    "minLength", "maxLength", "pattern", "multipleOf", "exclusiveMinimum", "exclusiveMaximum",
    "minProperties", "maxProperties", "uniqueItems", "minContains", "maxContains",
)  # fmt: skip
"""Keywords that only narrow a value."""

_STRUCTURAL = frozenset({
    "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
    "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contains", "additionalItems",
    "dependencies", "$dynamicRef", "$recursiveRef",
})  # fmt: skip
"""Keywords that shape the answer and for which there is no word."""

_MAX_DEPTH = 64


def lower(schema: Mapping[str, Any], field: str, notes: Notes) -> JsonObject:
    """A schema in Google's dialect.

    Args:
        schema: The schema.
        field: Request field it came from, for notes.
        notes: Takes what the dialect cannot say.
    """
    lowering = _Lowering()
    lowered: JsonObject = lowering.schema(schema)
    if lowering.lost:
        words = ", ".join(sorted(_told(*one) for one in lowering.lost))
        notes.adapt(
            field,
            f"Google enforces no {words} in a schema; it was left out there and is checked here.",
            words,
        )
    return lowered


class _Lowering:
    """One schema on its way; ``lost`` are the structural keywords left out, with their places."""

    def __init__(self) -> None:
        self.lost: set[tuple[str, str]] = set()

    def schema(self, node: Any, depth: int = 0, path: str = "") -> Any:
        if not isinstance(node, Mapping):
            return node if isinstance(node, bool) else {}
        if depth > _MAX_DEPTH:
            self.lost.add(("deep nesting", ""))
            return {}
        self.lost |= {(word, path) for word in _STRUCTURAL & node.keys()}
        if "definitions" in node and "$defs" not in node:
            node = {**node, "$defs": node["definitions"]}
        return self._reference(node, depth) if "$ref" in node else self._node(node, depth, path)

    def _reference(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        kept = {"$ref": str(node["$ref"]).replace("#/definitions/", "#/$defs/", 1)}
        if "$defs" not in node:
            return kept
        return {"$defs": self._map(node["$defs"], depth, "$defs."), **kept}

    def _node(self, node: Mapping[str, Any], depth: int, path: str) -> dict[str, Any]:
        node = self._merged(node, path)
        out: dict[str, Any] = {name: node[name] for name in node if name in _KEPT}
        for name in ("$defs", "properties"):
            if isinstance(node.get(name), Mapping):
                under = "$defs." if name == "$defs" else f"{path}." if path else ""
                out[name] = self._map(node[name], depth, under)
        for name in ("items", "additionalProperties"):
            if name in node:
                step = "[]" if name == "items" else ".*"
                out[name] = self.schema(node[name], depth + 1, path + step)
        for name in ("anyOf", "oneOf", "prefixItems"):
            if isinstance(node.get(name), list):
                out[name] = [self.schema(one, depth + 1, path) for one in node[name]]
        self._values(node, out)
        self._hints(node, out)
        return out

    def _map(self, nodes: Mapping[str, Any], depth: int, under: str) -> dict[str, Any]:
        return {name: self.schema(one, depth + 1, under + name) for name, one in nodes.items()}

    def _merged(self, node: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """An ``allOf`` of one is that one; of several there is no word."""
        several = node.get("allOf")
        if not isinstance(several, list):
            return node
        rest = {name: value for name, value in node.items() if name != "allOf"}
        if len(several) == 1 and isinstance(several[0], Mapping) and "$ref" not in several[0]:
            return {**several[0], **rest}
        if len(several) == 1 and not rest.keys() - {"description", "title", "default"}:
            return {**rest, "anyOf": several}
        self.lost.add(("allOf", path))
        return rest

    def _values(self, node: Mapping[str, Any], out: dict[str, Any]) -> None:
        values = [node["const"]] if "const" in node else node.get("enum")
        if not isinstance(values, list):
            return
        if all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in values):
            out["enum"] = values
        elif values == [None]:
            out["type"] = "null"
        else:
            self._describe(out, f"one of {json.dumps(values)}")

    def _hints(self, node: Mapping[str, Any], out: dict[str, Any]) -> None:
        for name in _HINTS:
            if name not in node:
                continue
            value = node[name]
            if name == "exclusiveMinimum" and out.get("type") == "integer":
                out["minimum"] = value + 1
            elif name == "exclusiveMaximum" and out.get("type") == "integer":
                out["maximum"] = value - 1
            else:
                self._describe(out, f"{name}: {json.dumps(value)}")

    def _describe(self, out: dict[str, Any], hint: str) -> None:
        said = out.get("description")
        out["description"] = f"{said} ({hint})" if said else hint


def _told(word: str, path: str) -> str:
    return f"{word} (at {path!r})" if path else word
