"""ElevenLabs as a backend: every ability in one line, each done in its own file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from gensdk.catalog.elevenlabs import sound_model
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import HostedBackend, KeyedAccount, KeySource
from gensdk.types import (
    Ability,
    ListedModel,
    MusicRequest,
    MusicResponse,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)

from .errors import VENDOR

__all__ = ["ElevenLabsBackend"]

_EVERYTHING: frozenset[Ability] = frozenset({"speech", "music", "transcribe"})
_STREAMS: frozenset[Ability] = frozenset({"speech"})


class ElevenLabsBackend(HostedBackend):
    """ElevenLabs' API: speech, music, sound effects and transcription.

    ::

        Client(backends={"elevenlabs": ElevenLabsBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: KeyedAccount

    def __init__(
        self,
        *,
        name: str = "elevenlabs",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Key, or a (sync or async) function that returns the current one; None takes
                ``ELEVENLABS_API_KEY``.
            base_url: None takes ``ELEVENLABS_BASE_URL`` or the vendor's own. A region has its own.
            headers: Further headers of every request.
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
        row = sound_model(model)
        abilities = _EVERYTHING if row.ability is None else frozenset({row.ability})
        return Capabilities(
            abilities=abilities,
            streams=_STREAMS & abilities,
            max_characters=row.max_characters,
            price_provider="elevenlabs",
        )

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

    async def music(self, request: MusicRequest, context: Context) -> MusicResponse:
        """Make music or a sound effect."""
        from . import music

        return await music.generate(self.account, request, context)

    async def transcribe(
        self, request: TranscriptionRequest, context: Context
    ) -> TranscriptionResponse:
        """Write down what is said."""
        from . import transcription

        return await transcription.generate(self.account, request, context)

    async def list_models(self, context: Context) -> list[ListedModel]:
        """The models that the account lists."""
        from . import listing

        return await listing.list_models(self.account, context)
