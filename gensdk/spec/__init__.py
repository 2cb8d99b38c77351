"""What a backend promises.

A backend is an account at a provider, or an engine on this machine. It implements the protocol of
each ability it has, and nothing else: capability is ``isinstance`` plus the row that
``capabilities(model)`` returns. Each method makes **one attempt**: no retry, fallback, cache,
limit or logging, and no splitting of large requests; the pipeline does all that around it.

What one attempt owes the pipeline:

* bad or unsupported input raises ``InvalidRequestError`` or ``UnsupportedFeatureError`` before
  anything is sent;
* every failure is an error of ``gensdk.errors`` with the facts the answer gave; ``billed`` says
  whether the work may have been done;
* ``asyncio.CancelledError`` passes through and closes the connection, or stops the device;
* every field of the request is sent, or noted with ``gensdk.toolkit.Notes``, or refused;
* a stream is an async generator whose last event is ``Finished``; closing the generator closes
  the connection. Ending without ``Finished`` means the stream was cut;
* a job is started by one request, and never again by itself; see ``JobBackend``.

Rule of the room: the smallest and slowest one. A change here is a line in the changelog.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from gensdk.types import (
    ABILITIES,
    URL,
    Ability,
    CancelOutcome,
    EmbedRequest,
    EmbedResponse,
    ImageEvent,
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    Media,
    ModelEnding,
    ModerationRequest,
    ModerationResponse,
    MusicRequest,
    MusicResponse,
    RateLimits,
    Request,
    Response,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    TextEvent,
    TextRequest,
    TextResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Unsupported,
    VideoRequest,
    VideoResponse,
)

from .accounts import ListingBackend, TokenCountBackend, WebhookBackend

__all__ = [
    "JOB_METHODS", "METHODS", "SPEC_VERSION", "STREAM_METHODS", "Backend", "BackendFactory",
    "BoundModel", "Capabilities", "Context", "EmbedBackend", "IdentifiedBackend",
    "ImageBackend", "ImageStreamBackend", "JobBackend", "JobWatchBackend", "ListingBackend",
    "ModerationBackend", "MusicBackend", "PreparedBackend", "SpeechBackend",
    "SpeechStreamBackend", "TextBackend", "TextStreamBackend", "TokenCountBackend",
    "TranscriptionBackend", "VideoBackend", "WebhookBackend",
]  # fmt: skip

SPEC_VERSION = 1
"""Version of these protocols. The version before stays accepted for a year."""

METHODS: dict[Ability, str] = {ability: ability for ability in ABILITIES}
"""Name of the method that answers a request of each ability."""

STREAM_METHODS: dict[Ability, str] = {
    "text": "stream_text",
    "image": "stream_image",
    "speech": "stream_speech",
}
"""Name of the method that streams an answer, for the abilities that can."""

JOB_METHODS: tuple[str, ...] = ("start", "poll", "collect", "cancel")
"""Names of the methods behind which an ability runs as a job."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one model of a backend can do, as far as it is known beforehand.

    Attributes:
        abilities: What it answers.
        streams: What it streams.
        jobs: Which of its abilities run as a job (``JobBackend``); the others are answered by the
            method of the ability. A part of ``abilities``.
        idempotent_start: Whether starting a job again with the same ``idempotency_key`` gives the
            same job. Only then is a start repeated whose outcome is not known.
        local: Whether it runs on this machine: nothing is billed, nothing leaves.
        demo: Whether it is a built-in demonstration model.
        continues: Whether a conversation whose last message is the assistant's is taken up exactly
            where that message ends, in the middle of a word too.
        max_candidates: Candidates of text in one attempt; more are split into several.
        max_images: Pictures in one attempt.
        max_videos: Videos in one attempt, or in one job.
        max_inputs: Embedding inputs in one attempt.
        max_input_bytes: UTF-8 bytes of embedding input in one attempt, all inputs together.
        max_characters: Characters of speech input in one attempt.
        price_provider: Name of the provider in the price table, None where there is no price.
        ending: When it is, or was, shut down, None where no end is known. The pipeline tells,
            refuses and names the successor; a backend only says it.
    """

    abilities: frozenset[Ability]
    streams: frozenset[Ability] = frozenset()
    jobs: frozenset[Ability] = frozenset()
    idempotent_start: bool = False
    local: bool = False
    demo: bool = False
    continues: bool = False
    max_candidates: int | None = None
    max_images: int | None = None
    max_videos: int | None = None
    max_inputs: int | None = None
    max_input_bytes: int | None = None
    max_characters: int | None = None
    price_provider: str | None = None
    ending: ModelEnding | None = None


async def _no_download(url: URL) -> Media:
    raise RuntimeError(f"no downloader was given for {url}")


@dataclass(frozen=True, slots=True)
class Context:
    """What the pipeline tells a backend about one attempt.

    Attributes:
        model: Model to ask, without the provider prefix.
        provider: Name the user knows the backend by, for messages; "" where there is none.
        connect_s: Seconds for opening a connection.
        read_s: Seconds the wire may be silent; the pipeline's own clocks are finer.
        unsupported: What to do with preferences the model cannot honour.
        idempotency_key: The same for every attempt of one logical call.
        fetch: Downloads a ``URL`` the user gave as input, with the guarded downloader. Its errors
            are about the request, and final: nothing is sent again for them.
        limits: Takes what an answer's headers say of the account's rate limits, None where nobody
            asks. The toolkit's wire calls it (``gensdk.toolkit.rate_limits`` reads the headers).
        collect: Downloads what the provider made, from the address it answered. The error is the
            downloader's own; a backend says ``billed`` of it.
        ready: What ``make_ready`` gave for this attempt, None where it was not asked.
    """

    model: str
    connect_s: float = 10.0
    read_s: float = 120.0
    unsupported: Unsupported = "warn"
    idempotency_key: str = ""
    provider: str = ""
    fetch: Callable[[URL], Awaitable[Media]] = _no_download
    collect: Callable[[URL], Awaitable[Media]] = _no_download
    ready: object = field(default=None, repr=False)  # it may hold what the user wrote
    limits: Callable[[RateLimits], None] | None = None


class Backend(Protocol):
    """An account at a provider or an engine on this machine."""

    @property
    def name(self) -> str:
        """Provider name, as in ``"name:model"``."""
        ...

    def capabilities(self, model: str) -> Capabilities:
        """Say what a model can do. Pure and quick; an unknown model gets the provider's widest."""
        ...

    async def aclose(self) -> None:
        """Close what the backend opened itself. May be called twice."""
        ...


BackendFactory = Callable[[str], Backend]
"""What an entry point of the group ``gensdk.backends`` names: provider name -> backend."""


@runtime_checkable
class PreparedBackend(Protocol):
    """Has models that must be brought into memory before they answer.

    Entered around every attempt at a model whose capabilities say ``local``; the clock of the
    attempt starts inside. So loading is bounded by the call's total time and not by the attempt's.
    """

    def make_ready(
        self, request: Request, context: Context, *, streaming: bool = False
    ) -> AbstractAsyncContextManager[object]:
        """Keep the model of a request able to answer, from entering on until the block is left.

        Entering refuses what can be refused without the model before it loads anything; errors as
        in a call. The ability's method, or ``start``, is then called inside the block with the
        same request, and finds what was entered in ``context.ready``: what was worked out of the
        request need not be worked out twice. Being cancelled while the model loads is one more way
        to leave the block.
        """
        ...


@runtime_checkable
class IdentifiedBackend(Protocol):
    """Has an identity, so that kept answers may be shared; without it they are this object's."""

    def identity(self, model: str) -> str | None:
        """What else decides the answers (address, account, version), without secrets.

        None where that cannot be told; "" where nothing is to be kept.
        """
        ...


@dataclass(frozen=True)
class BoundModel:
    """A backend with one of its models: fits wherever a model name does."""

    backend: Backend
    model: str


@runtime_checkable
class TextBackend(Protocol):
    """Answers ``TextRequest``."""

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        """Make one attempt."""
        ...


@runtime_checkable
class TextStreamBackend(Protocol):
    """Streams the answer to a ``TextRequest``."""

    def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Make one attempt; an async generator that ends with ``Finished``."""
        ...


@runtime_checkable
class ImageBackend(Protocol):
    """Answers ``ImageRequest``."""

    async def image(self, request: ImageRequest, context: Context) -> ImageResponse:
        """Make one attempt."""
        ...


@runtime_checkable
class ImageStreamBackend(Protocol):
    """Streams previews and pictures for an ``ImageRequest``."""

    def stream_image(self, request: ImageRequest, context: Context) -> AsyncIterator[ImageEvent]:
        """Make one attempt; an async generator that ends with ``Finished``."""
        ...


@runtime_checkable
class SpeechBackend(Protocol):
    """Answers ``SpeechRequest``."""

    async def speech(self, request: SpeechRequest, context: Context) -> SpeechResponse:
        """Make one attempt."""
        ...


@runtime_checkable
class SpeechStreamBackend(Protocol):
    """Streams the sound for a ``SpeechRequest``."""

    def stream_speech(self, request: SpeechRequest, context: Context) -> AsyncIterator[SpeechEvent]:
        """Make one attempt; an async generator that ends with ``Finished``."""
        ...


@runtime_checkable
class MusicBackend(Protocol):
    """Answers ``MusicRequest``."""

    async def music(self, request: MusicRequest, context: Context) -> MusicResponse:
        """Make one attempt."""
        ...


@runtime_checkable
class VideoBackend(Protocol):
    """Answers ``VideoRequest`` while the caller waits; where the provider makes jobs, see below."""

    async def video(self, request: VideoRequest, context: Context) -> VideoResponse:
        """Make one attempt."""
        ...


@runtime_checkable
class TranscriptionBackend(Protocol):
    """Answers ``TranscriptionRequest``."""

    async def transcribe(
        self, request: TranscriptionRequest, context: Context
    ) -> TranscriptionResponse:
        """Make one attempt."""
        ...


@runtime_checkable
class EmbedBackend(Protocol):
    """Answers ``EmbedRequest``."""

    async def embed(self, request: EmbedRequest, context: Context) -> EmbedResponse:
        """Make one attempt."""
        ...


@runtime_checkable
class ModerationBackend(Protocol):
    """Answers ``ModerationRequest``."""

    async def moderate(self, request: ModerationRequest, context: Context) -> ModerationResponse:
        """Make one attempt."""
        ...


@runtime_checkable
class JobBackend(Protocol):
    """Starts jobs, and looks after them, for the abilities in ``Capabilities.jobs``.

    The pipeline waits, repeats looks that failed in passing, and keeps the deadline; each method
    asks the provider once. What comes of ``start`` has to be enough for the others, in this
    process or another one: a backend keeps nothing that it cannot do without.
    """

    async def start(self, request: Request, context: Context) -> JobHandle:
        """Create the job with one request and return its handle as soon as the provider has an id.

        The handle needs ``id``, ``data`` where the id is not enough, and ``warnings`` from
        ``Notes``; the rest is filled in. ``data`` is plain JSON without keys or signed addresses.
        The creation is paid for once: an error says ``billed="no"`` only where no job was made.
        """
        ...

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look once. It costs nothing and changes nothing, so it is repeated freely.

        A provider's word for a job that ended badly is a state (``failed``, ``cancelled``,
        ``expired``), not an error; only what safety rules stopped raises ``ContentBlockedError``.

        Raises:
            JobExpiredError: The provider does not know the job any more. For a job of this
                machine: it belonged to another process, and ended with it.
            GenSDKError: The look failed; the job goes on.
        """
        ...

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        """Fetch what a job made, once ``poll`` has said that it succeeded.

        May be repeated. ``request`` is None where the job was started elsewhere. No output is an
        error, ``ContentBlockedError`` where the provider says that it was held back.
        """
        ...

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Ask the provider once to stop the job, and say what came of it. May be repeated."""
        ...


@runtime_checkable
class JobWatchBackend(Protocol):
    """Tells how a job goes on without being asked, such as an engine on this machine."""

    def watch(self, handle: JobHandle, context: Context) -> AsyncIterator[JobState]:
        """Give each new state; an async generator that ends after a final one.

        Where it ends before, or fails in passing, the job is polled instead. Closing it leaves
        the job alone.
        """
        ...
