"""Events of a video job, as the service (and gateways that keep its shape) deliver them.

The wire: ``openai`` 3.52 ``lib/_webhooks.py`` and ``types/webhooks`` (``data.id``, ``type``).
Events of other kinds are read too, and name no job of gensdk's.
"""

from __future__ import annotations

from gensdk.types import JobStatus

__all__ = ["STATES", "VARIABLE"]

VARIABLE = "OPENAI_WEBHOOK_SECRET"

STATES: dict[str, JobStatus] = {"video.completed": "succeeded", "video.failed": "failed"}
