"""The keyword arguments of the verbs, listed once.

They are the fields of the requests in ``gensdk.types``; what each one means is written there. A
test keeps both lists equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import BaseModel

from gensdk._resolve import ModelLike
from gensdk.policy import BreakerLike, Budget, Cache, CacheLike, Hook, Retry, Timeouts
from gensdk.types import (
    URL,
    AudioFormat,
    EmbedTask,
    ImageFormat,
    ImageQuality,
    Interrupted,
    JsonObject,
    Media,
    Message,
    OnRetired,
    Part,
    ReasoningEffort,
    Timestamps,
    ToolChoice,
    Unsupported,
    VideoFormat,
    VideoResolution,
)

__all__ = [
    "CallParameters",
    "ClientOptions",
    "EmbedParameters",
    "ImageParameters",
    "MediaLike",
    "ModerationParameters",
    "MusicParameters",
    "Prompt",
    "RunParameters",
    "RunStreamParameters",
    "SpeechParameters",
    "StreamParameters",
    "TextParameters",
    "TranscriptionParameters",
    "VideoParameters",
]

MediaLike = Media | URL | Path | bytes
"""Media on the way in. A ``str`` is never one: write ``Path(...)`` or ``URL(...)``."""

Prompt = str | Message | Sequence[Message | str | Part | MediaLike]
"""Text, a conversation, or the parts of one message."""


class ClientOptions(TypedDict, total=False):
    """What a copy of a client may have of its own; see ``Client.with_options``."""

    timeouts: Timeouts | float | None
    retry: Retry | None
    unsupported: Unsupported | None
    hooks: Iterable[Hook] | None
    cache: Cache | Literal[False] | None
    breaker: BreakerLike | None
    budget: Budget | None
    interrupted: Interrupted | None
    on_retired: OnRetired | None


class RunParameters(TypedDict, total=False):
    """What may be set for one call beside its request.

    ``model``: see ``gensdk.Client``. ``timeouts``: a ``Timeouts``, or seconds in total.
    ``cache``: a ``Cache``, True (keep this answer even if it is random), False or ``"refresh"``.
    ``breaker``: in place of the client's and the route's, ``False`` for none.
    ``budget``: holds beside those of the client and the route.
    """

    model: ModelLike | None
    timeouts: Timeouts | float | None
    retry: Retry | None
    cache: CacheLike | None
    breaker: BreakerLike | None
    budget: Budget | None


class RunStreamParameters(RunParameters, total=False):
    """What may be set for one stream beside its request."""

    interrupted: Interrupted | None


class CallParameters(RunParameters, total=False):
    """What every verb takes.

    ``options``: vendor options by provider name. ``extra``: fields for the provider's body,
    verbatim.
    """

    options: Mapping[str, BaseModel | JsonObject]
    extra: JsonObject
    unsupported: Unsupported | None
    tag: str | None


class StreamParameters(CallParameters, total=False):
    """What the verbs that can stream take. ``interrupted`` is for their ``stream_…`` form."""

    interrupted: Interrupted | None


class TextParameters(StreamParameters, total=False):
    """Keyword arguments of ``text`` and ``stream_text``; see ``gensdk.types.TextRequest``."""

    system: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: dict[int, float] | None
    seed: int | None
    stop: str | Sequence[str] | None
    n: int | None
    logprobs: int | None
    tools: Sequence[Any]
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    reasoning_effort: ReasoningEffort | None
    verbosity: Literal["low", "medium", "high"] | None
    user_id: str | None
    service_tier: str | None
    cache_key: str | None
    metadata: dict[str, str] | None


class ImageParameters(StreamParameters, total=False):
    """Keyword arguments of ``image`` and ``stream_image``; see ``gensdk.types.ImageRequest``."""

    images: Sequence[MediaLike] | MediaLike
    mask: Media | Path | bytes | None
    size: str | tuple[int, int] | None
    aspect_ratio: str | None
    n: int | None
    seed: int | None
    quality: ImageQuality | None
    style: str | None
    negative_prompt: str | None
    steps: int | None
    guidance_scale: float | None
    strength: float | None
    background: Literal["auto", "transparent", "opaque"] | None
    format: ImageFormat | None
    compression: int | None
    moderation: Literal["auto", "low", "strict"] | None
    user_id: str | None


class SpeechParameters(StreamParameters, total=False):
    """Keyword arguments of ``speech`` and ``stream_speech``; see ``SpeechRequest``."""

    voice: str | None
    instructions: str | None
    speed: float | None
    language: str | None
    format: AudioFormat | None
    sample_rate: int | None
    seed: int | None


class MusicParameters(CallParameters, total=False):
    """Keyword arguments of ``music`` and ``start_music``; see ``gensdk.types.MusicRequest``."""

    lyrics: str | None
    duration_s: float | None
    instrumental: bool | None
    bpm: float | None
    key: str | None
    negative_prompt: str | None
    seed: int | None
    steps: int | None
    guidance_scale: float | None
    reference_audio: MediaLike | None
    format: AudioFormat | None
    sample_rate: int | None


class VideoParameters(CallParameters, total=False):
    """Keyword arguments of ``video`` and ``start_video``; see ``gensdk.types.VideoRequest``."""

    first_frame: MediaLike | None
    last_frame: MediaLike | None
    references: Sequence[MediaLike] | MediaLike
    video: MediaLike | None
    duration_s: float | None
    size: str | tuple[int, int] | None
    aspect_ratio: str | None
    resolution: VideoResolution | None
    fps: float | None
    n: int | None
    seed: int | None
    negative_prompt: str | None
    audio: bool | None
    steps: int | None
    guidance_scale: float | None
    strength: float | None
    format: VideoFormat | None
    user_id: str | None


class TranscriptionParameters(CallParameters, total=False):
    """Keyword arguments of ``transcribe``; see ``gensdk.types.TranscriptionRequest``."""

    language: str | None
    prompt: str | None
    keywords: Sequence[str]
    timestamps: Timestamps | None
    diarize: bool
    temperature: float | None
    translate: bool


class EmbedParameters(CallParameters, total=False):
    """Keyword arguments of ``embed``; see ``gensdk.types.EmbedRequest``."""

    dimensions: int | None
    task: EmbedTask | None
    user_id: str | None


class ModerationParameters(CallParameters, total=False):
    """Keyword arguments of ``moderate``; see ``gensdk.types.ModerationRequest``."""

    images: Sequence[MediaLike] | MediaLike
