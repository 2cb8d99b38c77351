"""OpenAI's own options for text, and how they are read from a request."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from gensdk.catalog.compatible import TextProtocol
from gensdk.errors import InvalidRequestError
from gensdk.types import JsonObject, TextRequest

__all__ = ["OpenAIAudioOutput", "OpenAITextOptions", "text_options"]


class OpenAIAudioOutput(BaseModel):
    """Spoken output beside the text (Chat Completions)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    voice: str
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"] = "wav"


class OpenAITextOptions(BaseModel):
    """What only OpenAI's text models take; used on this provider's hop alone.

    Attributes:
        protocol: Protocol of this call; None takes the backend's.
        store: Whether OpenAI keeps the answer for 30 days. gensdk says no unless this says yes;
            ``previous_response_id`` needs a stored answer.
        previous_response_id: Continue a stored answer (Responses).
        conversation: Continue, and add to, a stored conversation (Responses).
        truncation: ``auto`` lets the server drop the oldest input that does not fit (Responses).
        include: Further data to send back, by OpenAI's names (Responses).
        reasoning_summary: Ask for a summary of the model's thinking (Responses).
        reasoning_context: Which earlier thinking the model sees again (Responses).
        reasoning_mode: ``standard`` or ``pro`` (Responses).
        max_tool_calls: Most calls of OpenAI's own tools (Responses).
        builtin_tools: OpenAI's own tools, verbatim: ``{"type": "web_search"}``. They are run by
            OpenAI and billed by it (Responses).
        strict: Whether answers and tool arguments must fit their schemas exactly; None means
            wherever the schema can be expressed that way.
        prediction: Text that much of the answer will repeat, to speed it up (Chat).
        audio: Spoken output (Chat).
        include_obfuscation: False leaves the padding out of streams that hides the length of
            each piece from an observer of the network.
        background: Refused: answers that come later have no place in a plain call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: TextProtocol | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: tuple[str, ...] = ()
    reasoning_summary: Literal["auto", "concise", "detailed"] | None = None
    reasoning_context: Literal["auto", "current_turn", "all_turns"] | None = None
    reasoning_mode: str | None = None
    max_tool_calls: int | None = None
    builtin_tools: tuple[JsonObject, ...] = ()
    strict: bool | None = None
    prediction: str | None = None
    audio: OpenAIAudioOutput | None = None
    include_obfuscation: bool | None = None
    background: Literal[False] | None = None

    @field_validator("background", mode="before")
    @classmethod
    def _no_background(cls, value: object) -> object:
        if value:
            raise ValueError("background answers are not offered; start them with OpenAI's own SDK")
        return value

    @property
    def chat_only(self) -> tuple[str, ...]:
        """Names of the options given that Chat Completions alone has."""
        given = {"prediction": self.prediction, "audio": self.audio}
        return tuple(name for name, value in given.items() if value is not None)


_NONE_GIVEN = OpenAITextOptions()


def text_options(request: TextRequest, provider: str, vendor: str = "openai") -> OpenAITextOptions:
    """The options a request has for this provider, or else for the vendor whose dialect it speaks.

    Raises:
        InvalidRequestError: A field is unknown or has a wrong value; the message names it.
    """
    if not request.options:
        return _NONE_GIVEN
    given = request.options.get(provider, request.options.get(vendor))
    if given is None:
        return _NONE_GIVEN
    if isinstance(given, OpenAITextOptions):
        return given
    if isinstance(given, BaseModel):
        raise InvalidRequestError(
            f"options[{provider!r}] is {type(given).__name__}; text takes OpenAITextOptions",
            provider=provider,
            param="options",
        )
    try:
        return OpenAITextOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidRequestError(
            f"options[{provider!r}].{place}: {first['msg']}",
            provider=provider,
            param=f"options.{place}",
        ) from error
