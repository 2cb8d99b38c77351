"""PixVerse as a backend: videos as jobs."""

from __future__ import annotations

from collections.abc import Mapping

from gensdk.spec import Capabilities, Context
from gensdk.toolkit import HostedBackend, KeySource
from gensdk.types import Ability, CancelOutcome, JobHandle, JobState, Request, Response

from .wire import PixVerseAccount

__all__ = ["PixVerseBackend"]

_VIDEO: frozenset[Ability] = frozenset({"video"})


class PixVerseBackend(HostedBackend):
    """PixVerse's platform API (``/openapi/v2``): videos, as jobs.

    ::

        Client(backends={"pixverse": PixVerseBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: PixVerseAccount

    def __init__(
        self,
        *,
        name: str = "pixverse",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Key, or a (sync or async) function that returns the current one; None takes
                ``PIXVERSE_API_KEY``.
            base_url: Address with its path, such as ``https://host/openapi/v2``; None takes
                ``PIXVERSE_BASE_URL`` or the vendor's own.
            headers: Further headers of every request.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.

        Raises:
            ConfigurationError: The key or the address cannot be used.
        """
        self.account = PixVerseAccount(
            name=name,
            api_key=api_key,
            base_url=base_url,
            headers=headers,
            http_client=http_client,
        )

    def capabilities(self, model: str) -> Capabilities:
        """Videos, one a job. A start whose answer was lost may be repeated: see ``wire``."""
        return Capabilities(abilities=_VIDEO, jobs=_VIDEO, idempotent_start=True, max_videos=1)

    async def start(self, request: Request, context: Context) -> JobHandle:
        """Upload what the video starts from, and start its job."""
        from . import videos

        return await videos.start(self.account, request, context)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look at a job once."""
        from . import videos

        return await videos.poll(self.account, handle, context)

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        """Fetch the video."""
        from . import videos

        return await videos.collect(self.account, handle, context)

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Say that the vendor has no way to cancel; the job goes on."""
        return "unsupported"
