"""What a shape is, and the shapes of answers to a plain JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MISSING", "PlainShape", "Shape"]

MISSING: Final[Any] = object()
"""Nothing can be shown yet."""

_NARROWED = frozenset({"enum", "const", "pattern", "format", "minLength"})
_SEVERAL = frozenset({"anyOf", "oneOf", "allOf", "not", "if"})


class Shape:
    """What may be shown of one place in the answer.

    Attributes:
        grows: Whether a string may be shown before its end.
        waits: Whether an object is shown only with its first field.
    """

    grows = False
    waits = False

    def whole(self, value: Any) -> Any:
        """A complete value as it is shown; ``MISSING`` where it does not fit."""
        return value

    def opened(self, bracket: str) -> Shape | None:
        """The shape of an object ``{`` or an array ``[`` that is shown while it is open."""
        return None

    def place(self, key: str) -> tuple[Any, Shape] | None:
        """Name and shape of what follows a key of an object."""
        return None

    def item(self) -> Shape:
        """The shape of the items of an array."""
        return _NOTHING

    def decided(self, raw: dict[str, Any]) -> Shape | None:
        """The shape of an object by what has come of it."""
        return self

    def build(self, parts: Any, name: Any, tail: Any) -> Any:
        """An open object or array, of its complete parts and of what is open in it."""
        return MISSING


_NOTHING = Shape()


class PlainShape(Shape):
    """Plain JSON as it comes. Nothing is checked before the end."""

    def __init__(self, schema: object, root: Mapping[str, Any]) -> None:
        """Take a part of a JSON schema, and the whole, which has the definitions."""
        self._root = root
        found: Any = schema if isinstance(schema, dict) else {}
        for _ in range(8):  # a reference to a reference is rare, and a circle is possible
            if not isinstance(found.get("$ref"), str):
                break
            name = found["$ref"].rpartition("/")[2]
            target = (root.get("$defs") or root.get("definitions") or {}).get(name)
            found = target if isinstance(target, dict) else {}
        self._schema: dict[str, Any] = {} if _SEVERAL & found.keys() else found
        kinds = self._schema.get("type")
        self.grows = not _NARROWED & self._schema.keys() and (
            kinds == "string" or (isinstance(kinds, list) and "string" in kinds)
        )

    def opened(self, bracket: str) -> Shape | None:
        """Any object, any array."""
        return self

    def place(self, key: str) -> tuple[Any, Shape] | None:
        """A field under its own key."""
        fields = self._schema.get("properties")
        others = self._schema.get("additionalProperties")
        schema = fields.get(key, others) if isinstance(fields, dict) else others
        return key, PlainShape(schema, self._root)

    def item(self) -> Shape:
        """The items, where the schema says what they are."""
        return PlainShape(self._schema.get("items"), self._root)

    def build(self, parts: Any, name: Any, tail: Any) -> Any:
        """A dict or a list."""
        if isinstance(parts, list):
            return [*parts] if tail is MISSING else [*parts, tail]
        return dict(parts) if tail is MISSING else {**parts, name: tail}
