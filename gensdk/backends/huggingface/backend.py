"""Hugging Face Inference Providers as a backend: each ability in one line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from gensdk.backends.openai import chat
from gensdk.catalog.huggingface import service_of
from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import KeySource
from gensdk.types import (
    Ability,
    CancelOutcome,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    Request,
    Response,
    SpeechRequest,
    SpeechResponse,
    TextEvent,
    TextRequest,
    TextResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    VideoRequest,
    VideoResponse,
)

from .account import Accounts
from .embeddings import MAX_INPUTS
from .text import routed

__all__ = ["HuggingFaceBackend"]

_ABILITIES: frozenset[Ability] = frozenset({
    "text", "image", "speech", "transcribe", "video", "embed",
})  # fmt: skip
_TEXT: frozenset[Ability] = frozenset({"text"})
_VIDEO: frozenset[Ability] = frozenset({"video"})
_NOTHING: frozenset[Ability] = frozenset()


class HuggingFaceBackend:
    """Models of the hub at many providers, over one token.

    ::

        Client(backends={"huggingface": HuggingFaceBackend(api_key=…, bill_to="my-org")})

    A model is the hub's ``org/name``; ``org/name:provider`` says who is to work. Nothing is sent,
    and no token is needed, before the first request.
    """

    def __init__(
        self,
        *,
        name: str = "huggingface",
        api_key: KeySource | None = None,
        bill_to: str | None = None,
        base_url: str | None = None,
        hub_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
        poll_s: float = 0.5,
    ) -> None:
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Token of Hugging Face, or a (sync or async) function that returns the current
                one; None takes ``HF_TOKEN``. The file that ``hf auth login`` writes is not read.
            bill_to: Organization to bill, of which you are a member.
            base_url: Address of the router; None takes ``HUGGINGFACE_BASE_URL`` or the vendor's.
            hub_url: Address of the hub; None takes ``HF_ENDPOINT`` or the vendor's.
            headers: Further headers of every request to the router.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.
            poll_s: Seconds before queued pictures, speech and transcripts are first asked after;
                later ones come slower.

        Raises:
            ConfigurationError: The token or an address cannot be used.
        """
        self.accounts = Accounts(
            name=name,
            api_key=api_key,
            bill_to=bill_to,
            base_url=base_url,
            hub_url=hub_url,
            headers=headers,
            http_client=http_client,
            poll_s=poll_s,
        )

    def __repr__(self) -> str:
        """Show name and origin."""
        return f"{type(self).__name__}({self.name!r}, {self.accounts.router.base_url!r})"

    @property
    def name(self) -> str:
        """Provider name, as in ``"name:model"``."""
        return self.accounts.name

    def identity(self, model: str) -> str | None:
        """Which account it is, without its token; for caches."""
        return self.accounts.identity()

    def capabilities(self, model: str) -> Capabilities:
        """The widest: what a model does is known to the hub, not by its name."""
        provider = model.partition(":")[2]
        at_once = service_of(provider, "text-to-video") if provider else None
        return Capabilities(
            abilities=_ABILITIES,
            streams=_TEXT,
            jobs=_NOTHING if at_once is not None and at_once.queue is None else _VIDEO,
            max_images=1,
            max_videos=1,
            max_inputs=MAX_INPUTS,
        )

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        """Answer with text."""
        asked, routed_context = self._routed(request, context)
        return await chat.generate(self.accounts.chat, asked, routed_context)

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Stream text."""
        asked, routed_context = self._routed(request, context)
        opened = chat.stream(self.accounts.chat, asked, routed_context)
        async with aclosing(opened) as events:
            async for event in events:
                yield event

    async def image(self, request: ImageRequest, context: Context) -> ImageResponse:
        """Make or change a picture."""
        from . import images

        return await images.generate(self.accounts, request, context)

    async def speech(self, request: SpeechRequest, context: Context) -> SpeechResponse:
        """Speak a text."""
        from . import speech

        return await speech.generate(self.accounts, request, context)

    async def transcribe(
        self, request: TranscriptionRequest, context: Context
    ) -> TranscriptionResponse:
        """Write down what is said."""
        from . import transcription

        return await transcription.generate(self.accounts, request, context)

    async def embed(self, request: EmbedRequest, context: Context) -> EmbedResponse:
        """Turn texts into vectors."""
        from . import embeddings

        return await embeddings.generate(self.accounts, request, context)

    async def video(self, request: VideoRequest, context: Context) -> VideoResponse:
        """Make a video at a provider that has no queue."""
        from . import video

        return await video.generate(self.accounts, request, context)

    async def start(self, request: Request, context: Context) -> JobHandle:
        """Start a video."""
        from . import video

        if not isinstance(request, VideoRequest):
            raise UnsupportedFeatureError(f"{self.name} has no jobs for {request.ability}")
        return await video.start(self.accounts, request, context)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look at a video that is being made."""
        from . import video

        return await video.poll(self.accounts, handle, context)

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        """Fetch a video."""
        from . import video

        return await video.collect(self.accounts, handle, context)

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Say that no way to cancel is known over the router; the job goes on."""
        return "unsupported"

    async def aclose(self) -> None:
        """Close what the backend opened itself. May be called twice."""
        await self.accounts.aclose()

    def _routed(self, request: TextRequest, context: Context) -> tuple[TextRequest, Context]:
        return routed(request, context, name=self.name, vendor=self.accounts.router.vendor.name)
