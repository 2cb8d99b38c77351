"""Queues of the providers: the number of a piece of work, how it stands, where its outcome is.

Each provider says it in its own words; here they become one. Pure functions of documents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gensdk.catalog.huggingface import QueueKind
from gensdk.types import JobStatus

__all__ = ["Look", "Ticket", "addresses_in", "look_at", "ticket_in"]

_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}){1,16}")
"""No part of a path begins with a dot: none leads upwards."""

_FIXED: Mapping[QueueKind, str] = {
    "replicate": "/v1/predictions/{id}",
    "together": "/v2/videos/{id}",
    "zai": "/api/paas/v4/async-result/{id}",
}
_PLACE = "{id}"

_WORDS: Mapping[QueueKind, Mapping[str, JobStatus]] = {
    "fal": {"IN_QUEUE": "queued", "IN_PROGRESS": "running", "COMPLETED": "succeeded",
            "FAILED": "failed", "CANCELED": "cancelled"},
    "replicate": {"starting": "queued", "processing": "running", "succeeded": "succeeded",
                  "failed": "failed", "canceled": "cancelled", "aborted": "expired"},
    "together": {"queued": "queued", "in_progress": "running", "completed": "succeeded",
                 "failed": "failed", "cancelled": "cancelled"},
    "wavespeed": {"created": "queued", "processing": "running", "completed": "succeeded",
                  "failed": "failed"},
    "zai": {"PROCESSING": "running", "SUCCESS": "succeeded", "FAIL": "failed"},
}  # fmt: skip
"""The providers' words in ours; an unknown one counts as running."""


@dataclass(frozen=True)
class Ticket:
    """What names a piece of work.

    Attributes:
        id: The provider's id.
        path: Where it is looked at, below the provider's own part; ``{id}`` stands for the id.
    """

    id: str
    path: str

    @property
    def place(self) -> str:
        """The path with the id in it; empty where either cannot be one."""
        path = self.path.replace(_PLACE, self.id)
        fits = _ID.fullmatch(self.id) and self.path.count(_PLACE) == 1 and _PATH.fullmatch(path)
        return path if fits else ""


@dataclass(frozen=True)
class Look:
    """How a piece of work stands."""

    status: JobStatus
    message: str | None = None
    code: str | None = None
    ahead: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status not in {"queued", "running"}


def ticket_in(kind: QueueKind, document: Mapping[str, Any]) -> Ticket | None:
    """The ticket in the answer to the request; None where it names none that can be used."""
    inner = _inner(kind, document)
    found = inner.get("request_id" if kind == "fal" else "id")
    if not isinstance(found, str):
        return None
    path = _FIXED.get(kind)
    if path is None:
        urls = inner.get("urls")
        told = inner.get("response_url") if kind == "fal" else _get(urls, "get")
        # Only the path is taken: the key goes to the router and nowhere else.
        path = _path_of(told).replace(found, _PLACE)
    ticket = Ticket(found, path)
    return ticket if ticket.place else None


def look_at(kind: QueueKind, document: Mapping[str, Any]) -> Look:
    """How the work stands, by a document about it."""
    inner = _inner(kind, document)
    word = inner.get("task_status" if kind == "zai" else "status")
    error = inner.get("error")
    message = error if isinstance(error, str) else _get(error, "message")
    code = inner.get("error_type") or _get(error, "code")
    status = _WORDS[kind].get(str(word), "running")
    if kind == "fal" and status == "succeeded" and message:
        status = "failed"
    ahead = inner.get("queue_position")
    return Look(
        status,
        message if isinstance(message, str) and message else None,
        str(code) if isinstance(code, str | int) and code != "" else None,
        ahead if isinstance(ahead, int) and ahead >= 0 else None,
    )


def addresses_in(document: Mapping[str, Any]) -> list[str]:
    """Addresses of what was made, wherever the provider puts them."""
    data = document.get("data")
    outputs = document.get("outputs")
    places = (
        document.get("images"),
        document.get("image"),
        document.get("image_result"),
        document.get("video"),
        document.get("audio"),
        document.get("output"),
        _get(outputs, "video_url"),
        _get(data, "outputs"),
    )
    return [url for place in places for url in _urls(place)]


def _urls(place: object) -> list[str]:
    if isinstance(place, list):
        return [url for item in place for url in _urls(item)]
    found = place if isinstance(place, str) else _get(place, "url") or _get(place, "video_url")
    return [found] if isinstance(found, str) and found else []


def _inner(kind: QueueKind, document: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = document.get("data") if kind == "wavespeed" else document
    return inner if isinstance(inner, dict) else {}


def _get(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _path_of(url: object) -> str:
    if not isinstance(url, str):
        return ""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
