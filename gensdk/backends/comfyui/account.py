"""One server: its queue, its history and its files, one request each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from gensdk.errors import GenSDKError, InvalidResponseError
from gensdk.spec import Context
from gensdk.toolkit import (
    Answer,
    Form,
    FormFile,
    HTTPWire,
    Secret,
    encode_json,
    error_for,
    failure_from,
    json_in,
    request_id_of,
)
from gensdk.toolkit.address import chosen_base_url
from gensdk.toolkit.own_server import BasicLogin
from gensdk.types import Media

from .errors import ROWS, refusal_of
from .options import ComfyUIOptions
from .workflow import Graph

__all__ = ["MAX_MEDIA_BYTES", "Account", "Queued"]

MAX_MEDIA_BYTES = 1024 * 2**20
"""Largest file that is fetched."""


class Queued(BaseModel):
    """What ``POST /prompt`` answers."""

    prompt_id: str
    node_errors: dict[str, Any] | list[Any] | None = None


class Account:
    """One ComfyUI.

    Attributes:
        name: Provider name, as in ``"name:model"``.
        base_url: Origin and path prefix.
    """

    def __init__(
        self,
        name: str,
        base_url: str | None,
        auth: tuple[str, str] | str | None,
        headers: Mapping[str, str],
        http_client: object | None,
    ) -> None:
        """Set up without I/O."""
        self.name = name
        self.base_url = chosen_base_url(base_url, "COMFYUI_BASE_URL", "http://127.0.0.1:8188")
        self.borrowed = http_client is not None or bool(headers)
        login = BasicLogin(auth, "COMFYUI_AUTH")
        own = tuple(Secret(value, name) for name, value in headers.items())
        self._wire = HTTPWire(
            self.base_url,
            headers={**login.headers(), **headers},
            provider=name,
            http_client=http_client,
            secrets=(*login.secrets, *own),
        )

    async def queue(self, graph: Graph, options: ComfyUIOptions, context: Context) -> Queued:
        """Put a workflow into the queue."""
        body: dict[str, Any] = {"prompt": graph}
        if options.front:
            body["front"] = True
        answer = await self._post("/prompt", body, context)
        try:
            return Queued.model_validate_json(answer.body)
        except ValidationError:
            pass
        raise self.invalid("The answer names no job.", answer, context)

    async def upload(self, media: Media, context: Context) -> str:
        """Put a file among the server's inputs; the name by which nodes find it.

        The name is made from the bytes, so the same file is there once.
        """
        name = f"gensdk-{media.sha256[:32]}.{media.extension}"
        form = Form(
            fields=(("type", "input"), ("overwrite", "true")),
            files=(FormFile("image", name, media.data, media.media_type),),
        )
        sent = await self._wire.send("POST", "/upload/image", context, form=form)
        answer = self._judged(sent, context)
        facts = self._document(answer, context)
        found = facts.get("name")
        if not isinstance(found, str) or not found:
            raise self.invalid("The answer names no uploaded file.", answer, context)
        folder = facts.get("subfolder")
        return f"{folder}/{found}" if isinstance(folder, str) and folder else found

    async def history(self, job: str, context: Context) -> dict[str, Any] | None:
        """What became of a job; None while it is not over, or not known."""
        answer = await self._get(f"/history/{quote(job, safe='')}", context)
        found = self._document(answer, context).get(job)
        return found if isinstance(found, dict) else None

    async def line(self, context: Context) -> tuple[list[str], list[str]]:
        """Ids of the jobs that run, and of those that wait."""
        facts = self._document(await self._get("/queue", context), context)
        return _ids(facts.get("queue_running")), _ids(facts.get("queue_pending"))

    async def file(self, facts: Mapping[str, str], context: Context) -> Media:
        """Fetch a file that a node saved."""
        query = {name: facts[name] for name in ("filename", "subfolder", "type") if name in facts}
        answer = await self._get("/view", context, query, MAX_MEDIA_BYTES)
        if not answer.body:
            raise self.invalid("A file of the result is empty.", answer, context)
        declared = answer.headers.get("content-type", "").partition(";")[0].strip()
        return Media(data=answer.body, media_type=declared or "application/octet-stream")

    async def forget(self, job: str, context: Context) -> None:
        """Take a job that waits out of the queue."""
        await self._post("/queue", {"delete": [job]}, context)

    async def interrupt(self, job: str, context: Context) -> None:
        """Stop a job that runs. Older servers do not read which, and stop whichever runs."""
        await self._post("/interrupt", {"prompt_id": job}, context)

    async def aclose(self) -> None:
        """Close the connections. May be called twice."""
        await self._wire.aclose()

    def redact(self, text: str) -> str:
        """Mask the login in a text."""
        return self._wire.redact(text)

    def invalid(self, message: str, answer: Answer, context: Context) -> InvalidResponseError:
        """The error for an answer that cannot be used."""
        return InvalidResponseError(
            self.redact(message),
            provider=self.name,
            model=context.model,
            status=answer.status,
            request_id=request_id_of(answer.headers),
        )

    async def _post(self, path: str, body: Mapping[str, object], context: Context) -> Answer:
        content = encode_json(body, provider=self.name, model=context.model)
        return self._judged(await self._wire.send("POST", path, context, body=content), context)

    async def _get(
        self,
        path: str,
        context: Context,
        query: Mapping[str, str] | None = None,
        max_bytes: int = 32 * 2**20,
    ) -> Answer:
        sent = self._wire.send("GET", path, context, query=query or {}, max_bytes=max_bytes)
        return self._judged(await sent, context)

    def _judged(self, answer: Answer, context: Context) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise self._error(answer, context)

    def _error(self, answer: Answer, context: Context) -> GenSDKError:
        failure = refusal_of(answer) or failure_from(answer)
        return error_for(failure, ROWS, provider=self.name, model=context.model, redact=self.redact)

    def _document(self, answer: Answer, context: Context) -> dict[str, Any]:
        found = json_in(answer.body)
        if not isinstance(found, dict):
            raise self.invalid("The answer is no JSON object.", answer, context)
        return found


def _ids(rows: object) -> list[str]:
    """Each row is ``[number, prompt_id, graph, …]``."""
    if not isinstance(rows, list):
        return []
    return [row[1] for row in rows if isinstance(row, list) and len(row) > 1]
