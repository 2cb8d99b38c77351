"""Events of a video job, as webhooks of a whole project deliver them (ai.google.dev, "Webhooks").

Those are signed with a secret, shown once when the webhook is made. Webhooks of a single request
are signed with a key of Google's that would have to be fetched, and are not read here.
"""

from __future__ import annotations

from gensdk.types import JobStatus

__all__ = ["STATES"]

STATES: dict[str, JobStatus] = {
    "interaction.completed": "succeeded",
    "interaction.failed": "failed",
    "interaction.cancelled": "cancelled",
    "interaction.requires_action": "running",
    "video.generated": "succeeded",
}
