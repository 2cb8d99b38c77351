"""Stability AI as a backend: every ability in one line, each done in its own file."""

from __future__ import annotations

from collections.abc import Mapping

from gensdk.catalog.stability import audio_service, image_service
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import HostedBackend, KeyedAccount, KeySource
from gensdk.types import (
    Ability,
    CancelOutcome,
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    MusicRequest,
    MusicResponse,
    Request,
    Response,
)

from .errors import VENDOR

__all__ = ["StabilityBackend"]

_NOTHING: frozenset[Ability] = frozenset()


class StabilityBackend(HostedBackend):
    """Stability's REST API ``v2beta``: pictures drawn, changed and enlarged, and music.

    ::

        Client(backends={"stability": StabilityBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: KeyedAccount

    def __init__(
        self,
        *,
        name: str = "stability",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Key, or a (sync or async) function that returns the current one; None takes
                ``STABILITY_API_KEY``. A job's result is given only to the key that started it.
            base_url: None takes ``STABILITY_BASE_URL`` or the vendor's own.
            headers: Further headers of every request, such as ``stability-client-id``.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.

        Raises:
            ConfigurationError: The key or the address cannot be used.
        """
        self.account = KeyedAccount(
            VENDOR,
            name=name,
            api_key=api_key,
            base_url=base_url,
            headers=headers,
            http_client=http_client,
        )

    def capabilities(self, model: str) -> Capabilities:
        """What a model does, told by its name."""
        audio = audio_service(model)
        ability: Ability = "image" if audio is None else "music"
        as_job = audio.job if audio is not None else image_service(model).job
        return Capabilities(
            abilities=frozenset({ability}),
            jobs=frozenset({ability}) if as_job else _NOTHING,
            max_images=1,
        )

    async def image(self, request: ImageRequest, context: Context) -> ImageResponse:
        """Make or change one picture."""
        from . import images

        return await images.generate(self.account, request, context)

    async def music(self, request: MusicRequest, context: Context) -> MusicResponse:
        """Make music."""
        from . import music

        return await music.generate(self.account, request, context)

    async def start(self, request: Request, context: Context) -> JobHandle:
        """Start a job with one request."""
        from . import jobs

        return await jobs.start(self.account, request, context)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look at a job once."""
        from . import jobs

        return await jobs.poll(self.account, handle, context)

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        """Fetch what a job made."""
        from . import jobs

        return await jobs.collect(self.account, handle, context)

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Say that the vendor has no way to cancel; the job goes on."""
        return "unsupported"
