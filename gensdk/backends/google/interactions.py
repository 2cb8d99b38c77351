"""The Interactions API: what music and videos of Gemini Omni go over.

The shapes: ``_gaos/types/interactions`` of google-genai 3.4.0 (``Interaction``, ``Usage``,
``ModelOutputStep``). Names are in snake_case here, and codes of errors in small letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from gensdk.errors import ContentBlockedError, GenSDKError
from gensdk.toolkit import OR_NONE, Answer
from gensdk.types import URL, JsonObject, Media, Usage

from .errors import BLOCK_CODES, status_of_code
from .wire import parsed

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = [
    "PATH", "Interaction", "Medium", "blocked", "bytes_of", "failure", "media_of", "read", "said",
    "text_of", "turn", "usage_of",
]  # fmt: skip

PATH = "interactions"
_TYPES = {"audio/mpeg": "audio/mp3"}


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Medium(_Loose):
    """One thing the model made: text, or a medium by bytes or by address."""

    type: str = ""
    text: Annotated[str | None, OR_NONE] = None
    data: Annotated[str | None, OR_NONE] = None
    uri: Annotated[str | None, OR_NONE] = None
    mime_type: Annotated[str | None, OR_NONE] = None


class Problem(_Loose):
    """An error, of the interaction or of one step."""

    code: str | int | None = None
    message: Annotated[str | None, OR_NONE] = None


class Step(_Loose):
    """One step; only what the model put out is read."""

    type: str = ""
    content: Annotated[list[Medium] | None, OR_NONE] = None
    error: Annotated[Problem | None, OR_NONE] = None


class _Tokens(_Loose):
    modality: str | None = None
    tokens: int = 0


class Counted(_Loose):
    """What was counted."""

    total_input_tokens: int | None = None
    total_output_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_cached_tokens: int | None = None
    output_tokens_by_modality: Annotated[list[_Tokens] | None, OR_NONE] = None


class Interaction(_Loose):
    """An interaction as it stands."""

    id: str | None = None
    status: str
    model: Annotated[str | None, OR_NONE] = None
    steps: list[Step] = Field(default_factory=list)
    errors: Annotated[list[Problem] | None, OR_NONE] = None
    usage: Annotated[Counted | None, OR_NONE] = None

    @property
    def problems(self) -> list[Problem]:
        """Everything that went wrong, the steps' own words first."""
        return [step.error for step in self.steps if step.error] + (self.errors or [])


def turn(pieces: Sequence[JsonObject]) -> list[JsonObject]:
    """Several pieces as the input: one step of the user."""
    return [{"type": "user_input", "content": list(pieces)}]


def said(media: Media | URL) -> JsonObject:
    """A medium as a piece of the input."""
    if isinstance(media, URL):  # one that Google fetches by itself; others were downloaded
        return {"type": "image", "uri": media.url}
    kind = _TYPES.get(media.media_type, media.media_type)
    return {"type": media.kind, "data": media.base64(), "mime_type": kind}


def read(answer: Answer, account: Account, context: Context) -> Interaction:
    """The interaction in an answer.

    Raises:
        InvalidResponseError: There is none.
        GenSDKError: There is an error object in its place.
    """
    return parsed(Interaction, answer.body, answer, account, context)


def media_of(interaction: Interaction, kind: str) -> list[Medium]:
    """What of one kind the model put out, in order."""
    return [one for one in _put_out(interaction) if one.type == kind and (one.data or one.uri)]


def text_of(interaction: Interaction) -> str:
    """The words the model put out."""
    return "\n".join(one.text for one in _put_out(interaction) if one.type == "text" and one.text)


def _put_out(interaction: Interaction) -> list[Medium]:
    steps: Sequence[Step] = interaction.steps
    return [one for step in steps if step.type == "model_output" for one in step.content or ()]


def usage_of(counted: Counted | None) -> Usage:
    """Tokens in our words."""
    if counted is None:
        return Usage()
    out = [one for one in (counted.total_output_tokens, counted.total_thought_tokens) if one]
    audio = [
        one.tokens for one in counted.output_tokens_by_modality or () if one.modality == "audio"
    ]
    return Usage(
        input_tokens=counted.total_input_tokens,
        output_tokens=sum(out) if out else counted.total_output_tokens,
        reasoning_tokens=counted.total_thought_tokens,
        cached_tokens=counted.total_cached_tokens,
        output_audio_tokens=sum(audio) if audio else None,
    )


def blocked(
    interaction: Interaction, account: Account, context: Context
) -> ContentBlockedError | None:
    """The error for what safety rules stopped, where a code says so."""
    for problem in interaction.problems:
        code = status_of_code(problem.code)
        if code in BLOCK_CODES:
            return ContentBlockedError(
                account.redact(f"Google held the result back ({code}): {problem.message or ''}"),
                stage="output",
                categories=(code,) if code else (),
                provider=account.name,
                model=context.model,
                code=code,
                billed="maybe",
            )
    return None


def failure(
    interaction: Interaction, answer: Answer, account: Account, context: Context
) -> GenSDKError:
    """The error for an interaction that gave nothing."""
    held = blocked(interaction, account, context)
    if held is not None:
        return held
    for problem in interaction.problems:
        body = {"error": {"code": problem.code, "message": problem.message or "it failed"}}
        return account.error_inside(body, context, answer)
    told = text_of(interaction)
    words = f", and said: {told[:300]}" if told else ""
    return account.invalid(
        f"The interaction is {interaction.status} and holds no result{words}", answer, context
    )


def bytes_of(medium: Medium, answer: Answer, account: Account, context: Context) -> bytes:
    """The bytes of a medium that came in the answer itself."""
    return account.decoded(medium.data or "", answer, context)
