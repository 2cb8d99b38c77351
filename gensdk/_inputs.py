"""From what a verb was given to a frozen request, or a clear ``InvalidRequestError``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from gensdk._registry import near
from gensdk.errors import InvalidRequestError
from gensdk.types import Media, Request

__all__ = ["build_request", "read_media"]

_PLAIN = (str, int, float)
"""What is no media, and holds none."""

RequestT = TypeVar("RequestT", bound=Request)


async def read_media(values: dict[str, Any]) -> dict[str, Any]:
    """Replace paths and bytes by ``Media``; files are read off the event loop.

    Raises:
        InvalidRequestError: A file cannot be read.
    """
    return {
        name: value if isinstance(value, _PLAIN) else await _as_media(value)
        for name, value in values.items()
        if value is not None
    }


async def _as_media(value: Any) -> Any:
    if isinstance(value, Path):
        try:
            return await asyncio.to_thread(Media.read, value)
        except OSError as error:
            raise InvalidRequestError(f"cannot read {str(value)!r}: {error.strerror}") from error
    if isinstance(value, bytes | bytearray | memoryview):
        return Media(data=bytes(value))
    if isinstance(value, list | tuple) and any(
        isinstance(item, Path | bytes | bytearray | memoryview) for item in value
    ):
        return [await _as_media(item) for item in value]
    return value


def build_request(kind: type[RequestT], values: Mapping[str, Any]) -> RequestT:
    """Validate the values of a verb.

    Raises:
        InvalidRequestError: One line for each field that is wrong, with near matches for a field
            that does not exist.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        lines = dict.fromkeys(_line(kind, item) for item in error.errors(include_url=False))
        raise InvalidRequestError("; ".join(lines)) from None
    except TypeError as error:  # a tool function without a schema
        raise InvalidRequestError(str(error)) from error


def _line(kind: type[Request], item: Any) -> str:
    location = [str(step) for step in item["loc"]]
    name = location[0] if location else ""
    if item["type"] == "extra_forbidden" and len(location) == 1:
        hint = _MEANT.get(name) or near(name, [*kind.model_fields, *_OF_CALLS])
        return f"unknown parameter {name!r}.{hint}"
    if item["type"] == "missing" and len(location) == 1:
        return f"{name}: nothing was given; give {_WANTED.get(name, 'it')}"
    path = ".".join(step for step in location if step not in _UNION_STEPS)
    message = str(item["msg"]).removeprefix("Value error, ")
    given = item.get("input")
    shown = f" (given: {given!r})" if _may_show(name, given) else ""
    named = not path or message.startswith(f"{path} ")
    return f"{'' if named else f'{path}: '}{message}{shown}"


def _may_show(name: str, given: object) -> bool:
    """Numbers and words help to see what was wrong; content and secrets stay out of errors."""
    if name in _CONTENT:
        return False
    return (
        given is None
        or isinstance(given, int | float)
        or (isinstance(given, str) and len(given) <= 40)
    )


_OF_CALLS = ("model", "timeouts", "retry")
"""Parameters of every verb that are no fields of a request."""
_MEANT = {
    "stream": " A stream has a verb of its own, such as stream_text()",
    "api_key": " A key belongs to a backend: Client(backends={'openai': OpenAIBackend(api_key=…)})",
    "max_completion_tokens": " Did you mean 'max_tokens'?",
    "max_output_tokens": " Did you mean 'max_tokens'?",
    "response_format": " Did you mean 'output'?",
    "max_retries": " Did you mean 'retry'?",
    "reask": " Only text() asks again; a stream has shown its answer already",
    "max_steps": " Only text() runs tools; from a stream, run the calls on its result() yourself",
}
"""What the names of other libraries are called here."""
_CONTENT = frozenset(
    {"prompt", "system", "text", "inputs", "options", "extra", "metadata", "user_id", "tools"}
    | {"lyrics", "negative_prompt"}
)
_WANTED = {
    "prompt": "a text, messages, or the parts of one message",
    "text": "the text to speak",
    "audio": "a Path, bytes, Media or URL(...)",
    "inputs": "a text or a list of texts",
}
_UNION_STEPS = frozenset({"constrained-str", "str", "constrained-tuple", "tuple[Message, ...]"})
