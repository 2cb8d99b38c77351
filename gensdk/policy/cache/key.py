"""When two requests are equal: a digest of everything that could change the answer.

By exclusion: a field is in the key unless it is named in ``EXCLUDED``, so a new one is in it from
its first day. Values are hashed in a form in which no two can look alike (type, length, content);
a value of a kind not known here gives no key at all, and the request is not kept.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any
from uuid import UUID
from weakref import ReferenceType, ref

from pydantic import BaseModel, SecretBytes, SecretStr

from gensdk.types import URL, Media
from gensdk.types.base import Value

from ..call import Call, Hop

__all__ = ["EXCLUDED", "SCHEMA", "NoKeyError", "canonical", "holds_address", "key_of"]

SCHEMA = 1
"""Raised when the meaning of a key or of an entry changes: what was kept before is then lost."""

EXCLUDED = frozenset({"model", "tag", "unsupported"})
"""Fields of a request that are not in the key as they stand.

``model`` and ``unsupported`` are there as resolved (the hop, and what holds for the call);
``tag`` reaches nobody but the hooks.
"""

_DEEPEST = 100
_HOLDERS = (URL, Value, list, tuple)
"""What may be an address, or have one in it."""
_EXACT = (Decimal, UUID, date, time, timedelta, PurePath)


class NoKeyError(Exception):
    """A value that cannot be compared by content: the request has no key."""


_own: dict[int, tuple[ReferenceType[Any], str]] = {}
"""Made-up identities of backends that have none that others could know, by ``id``: two that are
equal are still two."""


def key_of(call: Call, hop: Hop, namespace: str) -> str:
    """The key (64 characters of hex) of a call as it would be answered at a hop.

    Raises:
        NoKeyError: It holds a value that cannot be compared by content.
    """
    from gensdk import __version__

    kind = type(hop.backend)
    fields = {
        name: getattr(call.request, name)
        for name in type(call.request).model_fields
        if name not in EXCLUDED
    }
    whole = (
        "gensdk", SCHEMA, __version__, namespace, call.ability, call.unsupported,
        f"{kind.__module__}.{kind.__qualname__}", _identity(hop), hop.provider, hop.model,
        _name(type(call.request)), fields,
    )  # fmt: skip
    return hashlib.sha256(canonical(whole)).hexdigest()


def _identity(hop: Hop) -> str:
    """What the backend says it is; else a name that holds for this object alone."""
    ask: Callable[[str], str | None] | None = getattr(hop.backend, "identity", None)
    told = ask(hop.model) if callable(ask) else None
    if told == "":
        raise NoKeyError(f"{hop} wants nothing to be kept")
    if told is not None:
        return f"told {told}"
    return f"own {_own_name(hop.backend)}"


def _own_name(backend: object) -> str:
    place = id(backend)
    known = _own.get(place)
    if known is None or known[0]() is not backend:
        try:
            here = ref(backend, lambda _gone: _own.pop(place, None))
        except TypeError as error:  # with slots, and none for weak references
            raise NoKeyError(f"{type(backend).__name__} has no identity") from error
        known = _own[place] = (here, secrets.token_hex(16))
    return known[1]


def canonical(value: object, depth: int = 0) -> bytes:
    """A value as bytes, unlike those of every other value.

    Raises:
        NoKeyError: It is of a kind that is not known here, or nested too deep.
    """
    if depth > _DEEPEST:
        raise NoKeyError("nested too deep")
    if value is None or isinstance(value, bool):
        return repr(value).encode()
    if isinstance(value, Enum):
        return _many(b"e", [canonical(_name(type(value))), canonical(value.name)])
    if isinstance(value, int | float):
        return _sized(b"i" if isinstance(value, int) else b"f", repr(value + 0).encode())
    if isinstance(value, str):
        return _sized(b"s", value.encode(errors="surrogatepass"))
    if isinstance(value, bytes | bytearray):
        return _sized(b"b", hashlib.sha256(value).digest())
    if isinstance(value, list | tuple):
        return _many(b"l", [canonical(item, depth + 1) for item in value])
    if isinstance(value, set | frozenset):
        return _many(b"u", sorted(canonical(item, depth + 1) for item in value))
    if isinstance(value, Mapping):
        entries = sorted(_entry(k, v, depth + 1) for k, v in value.items())
        return _many(b"m", [whole for *_, whole in entries])
    return _object(value, depth)


def _entry(key: object, value: object, depth: int) -> tuple[bytes, bytes, bytes]:
    """An entry of a mapping: its key and its value, to sort by, and both as one."""
    if value is None and type(key) is str and depth <= _DEEPEST:
        return _unset(key)
    pair = canonical(key, depth), canonical(value, depth)
    return *pair, _many(b"p", pair)


@lru_cache(maxsize=512)
def _unset(name: str) -> tuple[bytes, bytes, bytes]:
    """The entry of a field without a value, as most fields of a request are."""
    pair = canonical(name), canonical(None)
    return *pair, _many(b"p", pair)


def _object(value: object, depth: int) -> bytes:
    name = canonical(_name(type(value)))
    if type(value) is Media:
        facts = (value.sha256, value.media_type, value.name, value.sample_rate)
        return _many(b"o", [name, canonical(facts)])
    if type(value) is URL:
        return _many(b"o", [name, canonical(value.url)])
    if isinstance(value, SecretStr | SecretBytes):
        return _many(b"o", [name, canonical(value.get_secret_value())])
    if isinstance(value, _EXACT):
        return _many(b"o", [name, canonical(str(value)), canonical(getattr(value, "fold", 0))])
    if isinstance(value, BaseModel):
        return _many(b"o", [name, canonical(_fields(value), depth + 1)])
    raise NoKeyError(f"a {type(value).__name__} cannot be compared by content")


def _fields(value: BaseModel) -> dict[str, Any]:
    """The fields of a model, and what else was given to it.

    Of gensdk's own types, those without a JSON form stay on this side: no provider sees them.
    """
    own = isinstance(value, Value)
    fields = {
        name: getattr(value, name)
        for name, field in type(value).model_fields.items()
        if not (own and field.exclude)
    }
    return {
        "fields": fields,
        "extra": value.model_extra or {},
        "private": value.__pydantic_private__ or {},
        "set": sorted(value.model_fields_set) if not own else [],
    }


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _sized(mark: bytes, content: bytes) -> bytes:
    return b"%s%d:%s" % (mark, len(content), content)


def _many(mark: bytes, items: list[bytes] | tuple[bytes, ...]) -> bytes:
    return _sized(mark, b"".join(_sized(b".", item) for item in items))


def holds_address(value: object) -> bool:
    """Whether a request points at something elsewhere, which may change."""
    if isinstance(value, URL):
        return True
    inside: Iterable[object] = ()
    if isinstance(value, Value):
        inside = value.__dict__.values()
    elif isinstance(value, list | tuple):
        inside = value
    return any(isinstance(item, _HOLDERS) and holds_address(item) for item in inside)
