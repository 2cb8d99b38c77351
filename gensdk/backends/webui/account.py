"""One server: sends a request once, knows the names it takes, and stops what we left there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from gensdk.errors import GenSDKError, InvalidResponseError
from gensdk.spec import Context
from gensdk.toolkit import Answer, HTTPWire, encode_json, request_id_of
from gensdk.toolkit.address import chosen_base_url
from gensdk.toolkit.own_server import BasicLogin

from .errors import error_of

__all__ = ["MAX_PICTURE_BYTES", "Account", "Progress"]

MAX_PICTURE_BYTES = 256 * 2**20
"""Largest answer that carries pictures."""

_GOODBYE_S = 2.0
"""Seconds that stopping our own job may hold up a cancellation."""

_TASK = "/internal/progress"


class Progress(BaseModel):
    """How one task is getting on (``modules/progress.py``, ``InternalProgressResponse``)."""

    active: bool = False
    queued: bool = False
    progress: float | None = None
    live_preview: str | None = None
    id_live_preview: int | None = None


class Account:
    """One web UI.

    Attributes:
        name: Provider name, as in ``"name:model"``.
        base_url: Origin and path prefix.
        exclusive: Whether nobody else uses the server.
    """

    def __init__(
        self,
        name: str,
        base_url: str | None,
        auth: tuple[str, str] | str | None,
        *,
        exclusive: bool,
        http_client: object | None,
    ) -> None:
        """Set up without I/O."""
        self.name = name
        self.base_url = chosen_base_url(base_url, "WEBUI_BASE_URL", "http://127.0.0.1:7860")
        self.exclusive = exclusive
        self.borrowed = http_client is not None
        login = BasicLogin(auth, "WEBUI_AUTH")
        self._known: dict[str, dict[str, str]] = {}
        self._wire = HTTPWire(
            self.base_url,
            headers=login.headers(),
            provider=name,
            http_client=http_client,
            secrets=login.secrets,
        )

    async def post(
        self, path: str, body: Mapping[str, object], context: Context, max_bytes: int = 2**20
    ) -> Answer:
        """Send JSON and return the answer of a status 2xx; anything else raises its error."""
        content = encode_json(body, provider=self.name, model=context.model)
        sent = self._wire.send("POST", path, context, body=content, max_bytes=max_bytes)
        return self._judged(await sent, context)

    async def get(self, path: str, context: Context) -> Answer:
        """Read something of a status 2xx; anything else raises its error."""
        sent = self._wire.send("GET", path, context, max_bytes=MAX_PICTURE_BYTES)
        return self._judged(await sent, context)

    def _judged(self, answer: Answer, context: Context) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise error_of(answer, provider=self.name, model=context.model, redact=self._wire.redact)

    def invalid(self, message: str, answer: Answer, context: Context) -> InvalidResponseError:
        """The error for an answer that cannot be used."""
        return InvalidResponseError(
            self._wire.redact(message),
            provider=self.name,
            model=context.model,
            status=answer.status,
            request_id=request_id_of(answer.headers),
        )

    # ----------------------------------------------------------------------------- the names
    async def names(
        self, path: str, fields: tuple[str, ...], context: Context, wanted: str
    ) -> Mapping[str, str] | None:
        """What the server takes, by each of its names; None where it has no such list.

        Kept, and asked for again where ``wanted`` is not in it: it may have been added since.

        Args:
            path: Address of the list.
            fields: Fields of a row with its names; the first one is what the server takes.
            context: Attempt.
            wanted: The name that is looked for.
        """
        kept = self._known.get(path)
        if kept is not None and (wanted in kept or wanted.lower() in kept):
            return kept
        try:
            answer = await self.get(path, context)
        except GenSDKError as error:
            if error.status in {404, 405}:
                return None
            raise
        try:
            rows = from_json(answer.body)
        except ValueError:
            raise self.invalid(f"The list {path} is no JSON.", answer, context) from None
        self._known[path] = found = _by_name(rows, fields)
        return found

    # ------------------------------------------------------------------------------ the task
    async def progress(self, task: str, last: int, context: Context) -> Progress | None:
        """How a task of ours is getting on; None where the server cannot tell tasks apart."""
        try:
            body = {"id_task": task, "id_live_preview": last}
            answer = await self.post(_TASK, body, context, MAX_PICTURE_BYTES)
        except GenSDKError as error:
            if error.status in {404, 405}:
                return None
            raise
        try:
            return Progress.model_validate_json(answer.body)
        except ValidationError:
            return None

    async def stop(self, task: str, context: Context) -> None:
        """Interrupt a task of ours that nobody waits for any more, if it is the running one.

        ``/interrupt`` stops whoever runs. So it is sent only where the server says that this task
        does, or where the server is ours alone. What goes wrong here changes nothing.
        """
        try:
            async with asyncio.timeout(_GOODBYE_S):
                seen = await self.progress(task, -1, context)
                if seen.active if seen is not None else self.exclusive:
                    await self.post("/sdapi/v1/interrupt", {}, context)
        except (GenSDKError, TimeoutError):
            return

    async def aclose(self) -> None:
        """Close the connections. May be called twice."""
        await self._wire.aclose()


def _by_name(rows: object, fields: tuple[str, ...]) -> dict[str, str]:
    """What the server takes, by every name as it is spelled, and in small letters."""
    spelled: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else []:
        names = _texts(row, fields) if isinstance(row, dict) else []
        for name in names:
            spelled.setdefault(name, names[0])
    return {name.lower(): taken for name, taken in spelled.items()} | spelled


def _texts(row: Mapping[str, Any], fields: tuple[str, ...]) -> list[str]:
    """Values of some fields; of lists their texts, of a path its file's name too."""
    found: list[str] = []
    for field in fields:
        value = row.get(field)
        texts = value if isinstance(value, list) else [value]
        found += [text for text in texts if isinstance(text, str) and text]
        if field == "filename" and isinstance(value, str):
            found.append(value.replace("\\", "/").rpartition("/")[2])
    return found
