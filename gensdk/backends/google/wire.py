"""What the Gemini API answers, as small models, and what the answers have in common.

The shapes: ``GenerateContentResponse`` and its parts in google-genai 3.4.0 ``types.py``. Fields and
words that are not known are let pass: Google adds some with every model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from gensdk.errors import ContentBlockedError, InvalidRequestError
from gensdk.toolkit import OR_NONE, Answer, StreamAnswer, first_problem, json_in
from gensdk.types import FinishReason, JsonObject, Request, Usage

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = [
    "BLOCKED",
    "ContentBody",
    "WireCandidate",
    "WireLogprobs",
    "blocked_prompt",
    "finish_reason",
    "merge_extra",
    "parsed",
    "usage_of",
    "withheld",
]


class Wire(BaseModel):
    """An object in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class Tokens(Wire):
    """Tokens of one kind of media."""

    modality: str = ""
    token_count: int = 0


class UsageMetadata(Wire):
    """What was counted. ``prompt_token_count`` has the cached ones in it."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    prompt_tokens_details: Annotated[list[Tokens] | None, OR_NONE] = None
    candidates_tokens_details: Annotated[list[Tokens] | None, OR_NONE] = None


class WireContent(Wire):
    """One turn; its parts stay as they came, for they go back so."""

    parts: list[JsonObject] = Field(default_factory=list)


class SafetyRating(Wire):
    """One verdict."""

    category: str = ""
    blocked: bool = False


class WireToken(Wire):
    """A token with its log-probability."""

    token: str = ""
    log_probability: float = 0.0


class WireTokens(Wire):
    """The likeliest tokens at one place."""

    candidates: list[WireToken] = Field(default_factory=list)


class WireLogprobs(Wire):
    """Log-probabilities of an answer, or of a piece of it."""

    chosen_candidates: list[WireToken]
    top_candidates: list[WireTokens] = Field(default_factory=list)

    def __add__(self, other: WireLogprobs) -> WireLogprobs:
        """One piece after the other."""
        return WireLogprobs(
            chosen_candidates=self.chosen_candidates + other.chosen_candidates,
            top_candidates=self.top_candidates + other.top_candidates,
        )


class WireCandidate(Wire):
    """One candidate, or a piece of it in a stream."""

    content: WireContent | None = None
    finish_reason: str | None = None
    finish_message: Annotated[str | None, OR_NONE] = None
    index: int = 0
    safety_ratings: Annotated[list[SafetyRating] | None, OR_NONE] = None
    logprobs_result: Annotated[WireLogprobs | None, OR_NONE] = None
    grounding_metadata: Annotated[JsonObject | None, OR_NONE] = None
    citation_metadata: Annotated[JsonObject | None, OR_NONE] = None
    url_context_metadata: Annotated[JsonObject | None, OR_NONE] = None


class PromptFeedback(Wire):
    """Why a prompt was not answered."""

    block_reason: str | None = None
    block_reason_message: Annotated[str | None, OR_NONE] = None
    safety_ratings: Annotated[list[SafetyRating] | None, OR_NONE] = None


class ContentBody(Wire):
    """An answer of ``generateContent``, or one event of its stream."""

    candidates: list[WireCandidate] = Field(default_factory=list)
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Annotated[UsageMetadata | None, OR_NONE] = None
    model_version: Annotated[str | None, OR_NONE] = None
    response_id: Annotated[str | None, OR_NONE] = None


_FINISH: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
}
BLOCKED = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "ESCALATION",
    "PUP_LIMITED_DISABLED",
})  # fmt: skip
"""Finish reasons that say that a rule held the answer back."""


def finish_reason(word: str | None, *, calls: bool = False) -> FinishReason | None:
    """The neutral word; ``calls`` says whether the answer asks for tools."""
    if word is None:
        return None
    if word in BLOCKED:
        return "content_filter"
    found = _FINISH.get(word, "unknown")
    return "tool_calls" if found == "stop" and calls else found


def usage_of(counted: UsageMetadata | None) -> Usage:
    """Tokens in our words: thoughts are output, results of Google's own tools are input."""
    if counted is None:
        return Usage()
    into, out = counted.prompt_tokens_details, counted.candidates_tokens_details
    return Usage(
        input_tokens=_sum(counted.prompt_token_count, counted.tool_use_prompt_token_count),
        output_tokens=_sum(counted.candidates_token_count, counted.thoughts_token_count),
        cached_tokens=counted.cached_content_token_count,
        reasoning_tokens=counted.thoughts_token_count,
        input_audio_tokens=_tokens(into, "AUDIO"),
        output_audio_tokens=_tokens(out, "AUDIO"),
        input_image_tokens=_tokens(into, "IMAGE"),
        output_image_tokens=_tokens(out, "IMAGE"),
    )


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _tokens(details: Iterable[Tokens] | None, modality: str) -> int | None:
    found = [one.token_count for one in details or () if one.modality.upper() == modality]
    return sum(found) if found else None


# --------------------------------------------------------------------------------------- reading
ModelT = TypeVar("ModelT", bound=BaseModel)


def parsed(
    kind: type[ModelT], data: bytes, answer: Answer | StreamAnswer, account: Account,
    context: Context,
) -> ModelT:  # fmt: skip
    """Read a JSON answer, or an event.

    Raises:
        InvalidResponseError: It is no JSON, or lacks what a result must have.
        GenSDKError: It holds an error object in spite of its status.
    """
    message = ""
    try:
        read = kind.model_validate_json(data)
    except ValidationError as error:
        read = None
        message = f"The answer cannot be read: {first_problem(error, 'the answer')}."
    _mind_error(data, account, context, answer)
    if read is None:  # outside the block, so that the cause is not kept: it quotes the answer
        raise account.invalid(message, answer, context)
    return read


def _mind_error(
    data: bytes, account: Account, context: Context, answer: Answer | StreamAnswer
) -> None:
    if b'"error"' not in data[:4096] and b'"error"' not in data[-4096:]:
        return
    body = json_in(data)
    body = body[0] if isinstance(body, list) and body else body
    # An interaction's own "error" member would be None or an object as well.
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        raise account.error_inside(body, context, answer)


# ---------------------------------------------------------------------------------------- blocks
def blocked_prompt(
    body: ContentBody, account: Account, context: Context
) -> ContentBlockedError | None:
    """The error for a prompt that was not let through."""
    feedback = body.prompt_feedback
    if feedback is None or not feedback.block_reason:
        return None
    said = f": {feedback.block_reason_message}" if feedback.block_reason_message else ""
    return ContentBlockedError(
        account.redact(
            f"Google blocked the prompt ({feedback.block_reason}){said}. Change the prompt or the "
            "media in it."
        ),
        stage="input",
        categories=_categories(feedback.block_reason, feedback.safety_ratings),
        provider=account.name,
        model=context.model,
        code=feedback.block_reason,
        request_id=body.response_id,
    )


def withheld(
    candidate: WireCandidate, body: ContentBody, account: Account, context: Context
) -> ContentBlockedError:
    """The error for an answer of which nothing came out, because a rule held it back."""
    word = candidate.finish_reason or "UNKNOWN"
    said = f": {candidate.finish_message}" if candidate.finish_message else ""
    counted = body.usage_metadata
    return ContentBlockedError(
        account.redact(f"Google held the answer back ({word}){said}. Change the prompt."),
        stage="output",
        categories=_categories(word, candidate.safety_ratings),
        provider=account.name,
        model=context.model,
        code=word,
        request_id=body.response_id,
        billed="yes" if counted is not None and counted.candidates_token_count else "maybe",
    )


def _categories(word: str, ratings: list[SafetyRating] | None) -> tuple[str, ...]:
    return (word, *(rating.category for rating in ratings or () if rating.blocked))


# ----------------------------------------------------------------------------------------- extra
def merge_extra(body: dict[str, Any], request: Request, account: Account, model: str) -> None:
    """Put the request's ``extra`` into the body, verbatim; objects are merged.

    Raises:
        InvalidRequestError: A field is set already, by the request or by gensdk.
    """
    _merge(body, request.extra, (), account, model)


def _merge(
    into: dict[str, Any], extra: Mapping[str, Any], path: tuple[str, ...], account: Account,
    model: str,
) -> None:  # fmt: skip
    for name, value in extra.items():
        there = into.get(name)
        if name not in into:
            into[name] = value
        elif isinstance(there, dict) and isinstance(value, dict):
            _merge(there, value, (*path, name), account, model)
        else:
            place = ".".join((*path, name))
            raise InvalidRequestError(
                f"extra {place!r} is set by the request already; use the portable field or extra",
                provider=account.name,
                model=model,
                param=place,
            )
