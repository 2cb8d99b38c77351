"""OpenAI's own options for pictures, sound and vectors, and how options and ``extra`` are read.

A caller gives them as ``options={"openai": OpenAIImageOptions(...)}`` or as a plain dict of the
same fields; they count on this provider's hop alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gensdk.catalog.openai_media import OPENAI_HOSTS
from gensdk.toolkit import vendor_options
from gensdk.types import Media, Request

if TYPE_CHECKING:
    from .account import Account

__all__ = [
    "OpenAIEmbedOptions",
    "OpenAIImageOptions",
    "OpenAIModerationOptions",
    "OpenAISpeechOptions",
    "OpenAITranscriptionOptions",
    "OpenAIVideoOptions",
    "form_fields",
    "media_options",
]

ReasoningWord = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OpenAIImageOptions(_Options):
    """What only OpenAI's image models take.

    Attributes:
        complexity: Computation spent on planning the picture, apart from its quality.
        input_fidelity: How closely an edit keeps the features of its input pictures.
        markup: Transparent PNG laid over the first picture to guide an edit; not with a mask.
        partial_images: Previews of a stream, 0 to 3; streams ask for 2.
        frame_count: Frames of a GIF, 2 to 16.
        frame_duration_ms: Milliseconds each frame of a GIF stays.
        svg_model: Model that writes the SVG.
        svg_effort: How long that model thinks.
        shape: Which request shape to speak, for deployments whose name does not tell:
            ``gpt-image``, the retired ``dall-e``, or ``server`` for other people's.
        response_format: ``url`` has the retired shape answer with an address, which is fetched.
    """

    complexity: Literal["low", "medium", "high"] | None = None
    input_fidelity: Literal["high", "low"] | None = None
    markup: Media | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    frame_count: Annotated[int, Field(ge=2, le=16)] | None = None
    frame_duration_ms: Annotated[int, Field(ge=10, le=655_350)] | None = None
    svg_model: str | None = None
    svg_effort: ReasoningWord | None = None
    shape: Literal["gpt-image", "dall-e", "server"] | None = None
    response_format: Literal["url", "b64_json"] | None = None

    @model_validator(mode="after")
    def _author_first(self) -> OpenAIImageOptions:
        if self.svg_effort is not None and self.svg_model is None:
            raise ValueError("svg_effort needs svg_model")
        return self


class OpenAISpeechOptions(_Options):
    """What only OpenAI's speech models take.

    Attributes:
        stream_format: ``sse`` streams events that end with the usage; ``audio`` plain bytes.
    """

    stream_format: Literal["audio", "sse"] | None = None


class OpenAITranscriptionOptions(_Options):
    """What only OpenAI's transcription models take.

    Attributes:
        languages: Languages that may occur (ISO 639-1); not together with ``language``.
        logprobs: Whether to say how sure the model is; comes in ``provider_details``.
        chunking_strategy: ``"auto"``, or the settings of the server's voice detection.
        known_speaker_names: Names of up to four speakers.
        known_speaker_references: A sample of 2 to 10 seconds of each of them.
    """

    languages: tuple[str, ...] = ()
    logprobs: bool = False
    chunking_strategy: Literal["auto"] | dict[str, str | int | float] | None = None
    known_speaker_names: Annotated[tuple[str, ...], Field(max_length=4)] = ()
    known_speaker_references: Annotated[tuple[Media, ...], Field(max_length=4)] = ()

    @model_validator(mode="after")
    def _one_sample_each(self) -> OpenAITranscriptionOptions:
        if len(self.known_speaker_names) != len(self.known_speaker_references):
            raise ValueError("give one reference for each known speaker name")
        return self


class OpenAIEmbedOptions(_Options):
    """What only OpenAI's embedding models take.

    Attributes:
        encoding_format: How vectors travel; the result is the same. ``base64`` is a third of the
            bytes of ``float``.
    """

    encoding_format: Literal["float", "base64"] | None = None


class OpenAIModerationOptions(_Options):
    """OpenAI's moderation models take nothing beyond the portable fields."""


class OpenAIVideoOptions(_Options):
    """``/videos`` has nothing beyond the portable fields; a server's own go into ``extra``."""


OptionsT = TypeVar("OptionsT", bound=_Options)


def media_options(request: Request, kind: type[OptionsT], account: Account, model: str) -> OptionsT:
    """The options a request has for this provider, as their own type.

    They are looked up by the account's name, then by the vendor whose wire it speaks.

    Raises:
        InvalidRequestError: A field is unknown or has a wrong value; the message names it.
    """
    vendor = account.dialect.name
    if vendor in OPENAI_HOSTS and vendor not in request.options:
        vendor = "openai"
    return vendor_options(request, kind, provider=account.name, vendor=vendor, model=model)


def form_fields(payload: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """A body as fields of a form: lists as ``name[]``, objects as ``name[key]``."""
    return tuple(_flat("", payload))


def _flat(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}[{name}]" if prefix else str(name), inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _flat(f"{prefix}[]", inner)
    elif isinstance(value, bool):
        yield prefix, "true" if value else "false"
    elif value is not None:
        yield prefix, str(value)
