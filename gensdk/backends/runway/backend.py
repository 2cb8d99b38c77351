"""Runway as a backend: every ability as a task, each done in its own file."""

from __future__ import annotations

from collections.abc import Mapping

from gensdk.catalog.runway import MAX_SPEECH, VERSION, abilities_of, row_of
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import HostedBackend, KeyedAccount, KeySource
from gensdk.types import CancelOutcome, JobHandle, JobState, Request, Response

from .errors import VENDOR

__all__ = ["RunwayBackend"]


class RunwayBackend(HostedBackend):
    """Runway's API: videos, pictures, speech and sound effects, of its own and resold models.

    ::

        Client(backends={"runway": RunwayBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: KeyedAccount

    def __init__(
        self,
        *,
        name: str = "runway",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Key, or a (sync or async) function that returns the current one; None takes
                ``RUNWAYML_API_SECRET``.
            base_url: None takes ``RUNWAYML_BASE_URL`` or the vendor's own.
            headers: Further headers of every request; ``X-Runway-Version`` asks for another
                version of the API.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.

        Raises:
            ConfigurationError: The key or the address cannot be used.
        """
        given = {header.lower(): value for header, value in (headers or {}).items()}
        self.account = KeyedAccount(
            VENDOR,
            name=name,
            api_key=api_key,
            base_url=base_url,
            headers={"x-runway-version": VERSION, **given},
            http_client=http_client,
        )

    def capabilities(self, model: str) -> Capabilities:
        """What a model does, told by its name."""
        abilities = abilities_of(model)
        return Capabilities(
            abilities=abilities,
            jobs=abilities,
            max_images=_max_images(model),
            max_videos=1,
            max_characters=MAX_SPEECH.get(model),
        )

    async def start(self, request: Request, context: Context) -> JobHandle:
        """Start a task with one request."""
        from . import tasks

        return await tasks.start(self.account, request, context)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look at a task once."""
        from . import tasks

        return await tasks.poll(self.account, handle, context)

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        """Fetch what a task made."""
        from . import tasks

        return await tasks.collect(self.account, handle, request, context)

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Cancel a task, and say that it may still be charged for."""
        from . import tasks

        return await tasks.cancel(self.account, handle, context)


def _max_images(model: str) -> int | None:
    row = row_of("text_to_image", model)
    if row is None or not row.known:
        return None
    if not row.takes("outputCount"):
        return 1
    return max(row.counts, default=None)
