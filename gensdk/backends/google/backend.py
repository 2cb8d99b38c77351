"""Google's Gemini API as a backend: every ability in one line, each done in its own file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from gensdk.catalog import ending_of
from gensdk.catalog.google import google_model
from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import HostedBackend, KeySource
from gensdk.types import (
    Ability,
    CancelOutcome,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    ListedModel,
    MusicRequest,
    MusicResponse,
    Request,
    Response,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    TextEvent,
    TextRequest,
    TextResponse,
    TokenCount,
    VideoRequest,
    WebhookEvent,
)

from .account import Account

__all__ = ["GoogleBackend"]

_MAX_INPUTS = 100
"""Texts in one ``batchEmbedContents`` (the server's own limit)."""


_STREAMED: frozenset[Ability] = frozenset({"text", "speech"})
_JOBS: frozenset[Ability] = frozenset({"video"})


class GoogleBackend(HostedBackend):
    """The Gemini API: text, pictures, speech, music, videos and embeddings.

    ::

        Client(backends={"google": GoogleBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: Account

    def __init__(
        self,
        *,
        name: str = "google",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        api_version: str = "v1",
        default_headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Key, or a sync or async function that returns the current one; None takes
                ``GOOGLE_API_KEY`` or ``GEMINI_API_KEY``.
            base_url: None takes ``GOOGLE_GEMINI_BASE_URL`` or Google's own.
            api_version: ``v1``, or ``v1beta`` for what is not in it yet.
            default_headers: Further headers of every request.
            http_client: Your own ``httpx2.AsyncClient``; never closed here.
        """
        self.account = Account(
            name=name,
            api_key=api_key,
            base_url=base_url,
            api_version=api_version,
            default_headers=default_headers,
            http_client=http_client,
        )

    def capabilities(self, model: str) -> Capabilities:
        """What a model does; splitting rests on these limits."""
        row = google_model(model)
        streamed = _STREAMED if row.streams else _STREAMED - {"speech"}
        return Capabilities(
            abilities=row.abilities,
            streams=streamed & row.abilities,
            jobs=_JOBS & row.abilities,
            max_candidates=1,
            max_images=1,
            max_videos=1,
            max_inputs=_MAX_INPUTS,
            price_provider="google" if row.priced else None,
            ending=ending_of("google", model, official=self.account.official),
        )

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        """Answer with text."""
        from . import text

        return await text.generate(self.account, request, context)

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Stream text."""
        from . import text

        async with aclosing(text.stream(self.account, request, context)) as events:
            async for event in events:
                yield event

    async def image(self, request: ImageRequest, context: Context) -> ImageResponse:
        """Make a picture, or edit some."""
        from . import images

        return await images.generate(self.account, request, context)

    async def speech(self, request: SpeechRequest, context: Context) -> SpeechResponse:
        """Speak a text, or a script of two speakers."""
        from . import speech

        return await speech.generate(self.account, request, context)

    async def stream_speech(
        self, request: SpeechRequest, context: Context
    ) -> AsyncIterator[SpeechEvent]:
        """Stream the sound while it is made."""
        from . import speech

        async with aclosing(speech.stream(self.account, request, context)) as events:
            async for event in events:
                yield event

    async def music(self, request: MusicRequest, context: Context) -> MusicResponse:
        """Make music."""
        from . import music

        return await music.generate(self.account, request, context)

    async def embed(self, request: EmbedRequest, context: Context) -> EmbedResponse:
        """Turn texts into vectors."""
        from . import embeddings

        return await embeddings.generate(self.account, request, context)

    async def start(self, request: Request, context: Context) -> JobHandle:
        """Start a video."""
        from . import video

        if not isinstance(request, VideoRequest):
            raise UnsupportedFeatureError(
                f"{request.ability} is no job here", provider=self.name, model=context.model
            )
        return await video.start(self.account, request, context)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look at a video under way."""
        from . import video

        return await video.poll(self.account, handle, context)

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        """Fetch a video that is done."""
        from . import video

        return await video.collect(self.account, handle, context)

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Ask Google to stop a video."""
        from . import video

        return await video.cancel(self.account, handle, context)

    async def count_tokens(self, request: TextRequest, context: Context) -> TokenCount:
        """How many tokens a request's input is, by the provider's own count."""
        from . import counting

        return await counting.count(self.account, request, context)

    async def list_models(self, context: Context) -> list[ListedModel]:
        """The models that the account lists."""
        from . import listing

        return await listing.list_models(self.account, context)

    def read_webhook(
        self,
        body: bytes,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        *,
        now: datetime,
        tolerance_s: float,
    ) -> WebhookEvent:
        """The event in a delivery, once its signature is checked."""
        from gensdk.toolkit.webhooks import read_signed_webhook

        from .webhooks import STATES

        return read_signed_webhook(
            body, headers, secrets, states=STATES, now=now, tolerance_s=tolerance_s,
            provider=self.name,
        )  # fmt: skip
