"""What a provider tells by itself: the body of a webhook, checked and read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from .base import JsonObject, Value
from .job import JobHandle, JobState

__all__ = ["WebhookEvent"]


class WebhookEvent(Value):
    """One delivery, whose signature was right.

    Providers deliver at least once and in any order: keep ``id`` to pass over what came before.

    Attributes:
        id: The delivery's own id, the same when it is sent again.
        type: The provider's word, such as ``video.completed``.
        sent_at: When it was signed, UTC.
        handle: Names the job, for ``client.job``, where the event is about one. The model is empty
            where the body does not tell it: a handle that was kept from the start knows more.
        state: How the job stands by this event. ``job.result()`` asks the provider all the same.
        data: What else the body says of it.
    """

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1)]
    type: str
    sent_at: datetime
    handle: JobHandle | None = None
    state: JobState | None = None
    data: JsonObject = Field(default_factory=dict)
