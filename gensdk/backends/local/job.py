"""What passes between a task and an engine, whatever the ability. No torch, no asyncio.

Each room (``text``, ``images``, …) has jobs and events of its own below these. Where a room needs
a job or an event only one ability has, it is defined there.
"""

from __future__ import annotations

from dataclasses import dataclass

from gensdk.errors import GenSDKError

__all__ = ["Adaptation", "Event", "Failed", "Final", "Job", "Progress", "Ready"]


class Job:
    """What one call asks of a model. Frozen; made by a room's ``prepare``."""

    __slots__ = ()


class Event:
    """Something that came of a call."""

    __slots__ = ()


class Final(Event):
    """The last event of a call."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Something the engine did differently from what was asked, for the caller's notes."""

    parameter: str
    message: str
    sent: str | int | float | None = None


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """How far something has come.

    Attributes:
        stage: What is being done: ``download``, ``load``, ``steps``, …
        done: Units finished.
        total: Units in all, None where nobody knows.
        preview: An unfinished picture, PNG, where one was asked for.
    """

    stage: str
    done: int
    total: int | None = None
    preview: bytes | None = None


@dataclass(frozen=True, slots=True)
class Ready(Final):
    """The model is in memory; the answer to a call without a job."""


@dataclass(frozen=True, slots=True)
class Failed(Final):
    """The call cannot be completed; the error belongs to this call alone."""

    error: GenSDKError
