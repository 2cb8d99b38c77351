"""OpenAI as a backend: every ability in one line, each done in its own file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gensdk.catalog import abilities_of
from gensdk.catalog.compatible import OPENAI, Dialect, TextProtocol
from gensdk.catalog.openai_media import image_model, speech_model
from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import HostedBackend, KeySource
from gensdk.types import (
    Ability,
    CancelOutcome,
    EmbedRequest,
    EmbedResponse,
    ImageEvent,
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    ListedModel,
    ModerationRequest,
    ModerationResponse,
    Request,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    TextEvent,
    TextRequest,
    TextResponse,
    TokenCount,
    TranscriptionRequest,
    TranscriptionResponse,
    VideoRequest,
    VideoResponse,
    WebhookEvent,
)

from .account import Account

if TYPE_CHECKING:
    import openai

__all__ = ["OpenAIBackend"]

_STREAMS: frozenset[Ability] = frozenset({"text", "image", "speech"})
_JOBS: frozenset[Ability] = frozenset({"video"})
_MAX_EMBED_BYTES = 300_000


class OpenAIBackend(HostedBackend):
    """OpenAI's API: text, images, speech, transcription, embeddings, moderation; videos as jobs.

    ::

        Client(backends={"openai": OpenAIBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: Account

    def __init__(
        self,
        *,
        name: str = "openai",
        protocol: TextProtocol | None = None,
        api_key: KeySource | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        idempotency_header: str | None = None,
        http_client: object | None = None,
        client: openai.AsyncOpenAI | None = None,
        dialect: Dialect = OPENAI,
        account: Account | None = None,
    ) -> None:
        """Set up an account; see ``Account`` for the arguments not named here.

        Args:
            name: Provider name, as in ``"name:model"``.
            protocol: Protocol text goes over: ``responses``, ``chat`` or ``completions``. None
                takes the server's best, and chat where a request needs it.
            api_key: Key, or a sync or async function that returns the current one; None takes
                ``OPENAI_API_KEY``.
            base_url: None takes ``OPENAI_BASE_URL`` or OpenAI's own.
            organization: Organization to bill.
            project: Project to bill.
            default_headers: Further headers of every request.
            idempotency_header: Header for the idempotency key, where a gateway honours one.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.
            client: Your own ``openai.AsyncOpenAI``; never closed here.
            dialect: How the server departs from OpenAI's API.
            account: A ready account instead of all of the above but ``protocol``.
        """
        self.account = account or Account(
            dialect,
            name=name,
            api_key=api_key,
            base_url=base_url,
            organization=organization,
            project=project,
            default_headers=default_headers,
            idempotency_header=idempotency_header,
            http_client=http_client,
            client=client,
        )
        self.protocol = protocol

    def identity(self, model: str) -> str | None:
        """Which account it is, without its key; for caches."""
        account = self.account.identity()
        return None if account is None else f"{account} {self.protocol}"

    def capabilities(self, model: str) -> Capabilities:
        """What the server can do with a model; splitting rests on these limits.

        At OpenAI a model's name tells what it does; a deployment's at Azure, or a model's at
        another server, does not.
        """
        dialect = self.account.dialect
        abilities = dialect.abilities & abilities_of(self.account.catalogue, model)
        protocol = self.protocol or dialect.text_protocol
        at_openai = bool(self.account.model_vendor)
        return Capabilities(
            abilities=abilities,
            streams=_STREAMS & abilities,
            jobs=_JOBS & abilities,
            continues=protocol == "completions",
            max_candidates=1 if protocol == "responses" else dialect.max_candidates,
            max_images=image_model(model, dialect.name).max_n,
            max_inputs=dialect.max_inputs,
            max_input_bytes=_MAX_EMBED_BYTES if at_openai else None,
            max_characters=speech_model(model, dialect.name).max_characters,
            price_provider=dialect.price_provider,
            ending=self.account.ending(model),
        )

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        """Answer with text, over the protocol that fits the request."""
        from . import routing

        return await routing.generate(self.account, request, context, self.protocol)

    def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Stream text, over the protocol that fits the request."""
        from . import routing

        return routing.stream(self.account, request, context, self.protocol)

    async def image(self, request: ImageRequest, context: Context) -> ImageResponse:
        """Make pictures, or edit some."""
        from . import images

        return await images.generate(self.account, request, context)

    async def stream_image(
        self, request: ImageRequest, context: Context
    ) -> AsyncIterator[ImageEvent]:
        """Stream previews and the finished pictures."""
        from . import images

        async with aclosing(images.stream(self.account, request, context)) as events:
            async for event in events:
                yield event

    async def speech(self, request: SpeechRequest, context: Context) -> SpeechResponse:
        """Speak a text."""
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

    async def transcribe(
        self, request: TranscriptionRequest, context: Context
    ) -> TranscriptionResponse:
        """Write down what is said."""
        from . import transcription

        return await transcription.generate(self.account, request, context)

    async def embed(self, request: EmbedRequest, context: Context) -> EmbedResponse:
        """Turn texts into vectors."""
        from . import embeddings

        return await embeddings.generate(self.account, request, context)

    async def moderate(self, request: ModerationRequest, context: Context) -> ModerationResponse:
        """Judge texts and pictures."""
        from . import moderation

        return await moderation.generate(self.account, request, context)

    async def count_tokens(self, request: TextRequest, context: Context) -> TokenCount:
        """How many tokens a request's input is, by the provider's own count."""
        from . import counting

        return await counting.count(self.account, request, context, self.protocol)

    async def list_models(self, context: Context) -> list[ListedModel]:
        """The models that the account lists."""
        from . import listing

        return await listing.list_models(self.account, context)

    # ------------------------------------------------------------------------- jobs: videos
    async def start(self, request: Request, context: Context) -> JobHandle:
        """Create a video; see ``JobBackend``."""
        from . import videos

        if not isinstance(request, VideoRequest):
            raise UnsupportedFeatureError(f"{self.name} has no jobs for {request.ability}")
        return await videos.start(self.account, request, context)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look at a video that is being made."""
        from . import videos

        return await videos.poll(self.account, handle, context)

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> VideoResponse:
        """Fetch a video."""
        from . import videos

        return await videos.collect(self.account, handle, request, context)

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Delete a video that is being made."""
        from . import videos

        return await videos.cancel(self.account, handle, context)

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

        from .webhooks import STATES, VARIABLE

        return read_signed_webhook(
            body, headers, secrets, states=STATES, now=now, tolerance_s=tolerance_s,
            provider=self.name, variable=VARIABLE,
        )  # fmt: skip
