"""Jobs: work that a provider goes on with while nobody waits. What names one, and how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from .base import Ability, JsonObject, Request, ResponseWarning, Text, Value
from .media import Media

__all__ = ["CancelOutcome", "JobHandle", "JobProgress", "JobState", "JobStatus"]

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
"""How a job stands. The last four are final."""

CancelOutcome = Literal["stopped", "may_still_bill", "unsupported"]
"""What came of cancelling a job. ``stopped``: it does not run any more. ``may_still_bill``: the
provider was told, but may go on, or charge for it all the same. ``unsupported``: the provider has
no way to cancel; the job goes on."""

_ENDINGS: frozenset[JobStatus] = frozenset({"succeeded", "failed", "cancelled", "expired"})

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class JobHandle(Value):
    """Names a job, for this process and for others: plain JSON both ways, and no secret in it.

    A backend that starts a job gives ``id`` and what else it needs to find it again in ``data``;
    the pipeline fills in the rest.

    Attributes:
        id: The provider's id of the job.
        provider: Name of the account that runs it; taking it up needs one of the same name.
        model: Model that works on it, without the provider prefix.
        ability: What was asked for.
        created_at: When it was started, UTC.
        fingerprint: ``Request.fingerprint()`` of its request.
        idempotency_key: What the creation was marked with.
        data: What the backend needs to find the job, as plain JSON; never a key.
        warnings: What was dropped or adapted when it was started.
    """

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1)]
    provider: Text = ""
    model: Text = ""
    ability: Ability = "video"
    created_at: datetime | None = None
    fingerprint: str = ""
    idempotency_key: str = ""
    data: JsonObject = Field(default_factory=dict)
    warnings: tuple[ResponseWarning, ...] = ()

    def is_of(self, request: Request) -> bool:
        """Whether a request is the one that the job was started with."""
        return not self.fingerprint or self.fingerprint == request.fingerprint()


class JobProgress(Value):
    """How far a job is. None means that the provider does not say.

    Attributes:
        status: How it stands.
        progress: Share that is done, 0 to 1.
        step: Steps done.
        steps: Steps in all.
        message: The provider's words; of a job that failed, why.
        eta_s: Seconds that are left, as the provider guesses.
        preview: An unfinished picture of the result.
    """

    model_config = ConfigDict(extra="ignore")

    status: JobStatus
    progress: Annotated[float, Field(ge=0, le=1)] | None = None
    step: int | None = None
    steps: int | None = None
    message: str | None = None
    eta_s: Seconds | None = None
    preview: Media | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status in _ENDINGS

    @property
    def share(self) -> float | None:
        """The share that is done, by the steps where the provider gives only these."""
        if self.progress is not None or not self.steps or self.step is None:
            return self.progress
        return min(max(self.step / self.steps, 0.0), 1.0)


class JobState(JobProgress):
    """One look at a job: its progress, and what the provider says beside it.

    Attributes:
        code: The provider's error code of a job that failed.
        billed: Whether a job that ended without a result is charged for; None where that is not
            known.
        poll_after_s: Seconds after which the provider wants to be asked again.
        details: Facts only this provider has, as plain JSON.
    """

    code: str | None = None
    billed: Literal["no", "maybe", "yes"] | None = None
    poll_after_s: Seconds | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)
