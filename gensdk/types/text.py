"""Text: the request, the response and what a stream of text yields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, computed_field, field_validator, model_validator

from .base import Ability, FinishReason, Request, Response, Text, Value
from .message import (
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    bad_media,
    part_of,
    plain_text,
    says_something,
)
from .tool import OutputSchema, Tool, ToolChoice

__all__ = [
    "Candidate",
    "Citation",
    "ReasoningEffort",
    "TextRequest",
    "TextResponse",
    "TokenLogprob",
]

_SCHEMA_FORM = frozenset({"name", "json_schema", "wrapped"})
"""Keys of an ``OutputSchema`` in JSON; a JSON schema has others."""

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

OutputT = TypeVar("OutputT")


class TextRequest(Request):
    """Ask a model for text.

    Attributes:
        prompt: Text, or the conversation as messages. A list of text, media and parts is one
            message of the user.
        system: Instructions that stand above the conversation.
        max_tokens: Upper bound on new tokens.
        temperature: 0 (greedy) to 2.
        top_p: Nucleus mass, over 0 to 1.
        top_k: Keep only the k likeliest tokens.
        min_p: Keep tokens at least this share of the likeliest one's probability.
        presence_penalty: -2 to 2.
        frequency_penalty: -2 to 2.
        logit_bias: Token id to bias, -100 to 100.
        seed: Makes sampling repeatable where the model can.
        stop: Up to any number of strings that end the answer; they are not part of it.
        n: Number of candidates.
        logprobs: Number of alternatives per token to report, 0 to 20; None reports nothing.
        output: Schema the answer must fit: a pydantic model, any type, or a JSON schema.
        tools: Tools the model may call; plain Python functions are taken.
        tool_choice: ``auto``, ``none``, ``required`` or a tool's name.
        parallel_tool_calls: Whether several calls may come in one answer.
        reasoning_effort: How hard to think.
        verbosity: How long-winded to be.
        user_id: Your pseudonymous id of the end user, for the provider's abuse handling.
        service_tier: The provider's name of a processing tier.
        cache_key: Groups requests with an equal beginning for the provider's prompt cache.
        metadata: Labels the provider stores with the request.
    """

    ability: ClassVar[Ability] = "text"

    prompt: Text | tuple[Message, ...]
    system: Text | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    output: OutputSchema | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    user_id: Text | None = None
    service_tier: Text | None = None
    cache_key: Text | None = None
    metadata: dict[Text, Text] | None = None

    @field_validator("prompt", mode="before")
    @classmethod
    def _as_messages(cls, value: Any) -> Any:
        if isinstance(value, str):
            if not value.strip():
                raise ValueError("prompt is empty")
            return value
        if isinstance(value, Message):
            return (value,)
        items = list(value) if isinstance(value, list | tuple) else [value]
        if not items:
            raise ValueError("prompt is empty")
        turns = [isinstance(item, Message) or _is_turn(item) for item in items]
        if all(turns):
            return tuple(items)
        if any(turns):
            raise ValueError("give either messages, or the parts of one message; not both")
        return ({"role": "user", "content": tuple(part_of(item) for item in items)},)

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("output", mode="before")
    @classmethod
    def _as_schema(cls, value: Any) -> Any:
        if value is None or isinstance(value, OutputSchema):
            return value
        if isinstance(value, dict) and {"json_schema", "name"} <= value.keys() <= _SCHEMA_FORM:
            return value
        return OutputSchema.of(value)

    @field_validator("tools", mode="before")
    @classmethod
    def _as_tools(cls, value: Any) -> Any:
        items = value if isinstance(value, list | tuple) else (value,)
        return tuple(
            Tool.of(item) if callable(item) and not isinstance(item, Tool) else _tool_like(item)
            for item in items
        )

    @field_validator("prompt", mode="after")
    @classmethod
    def _something_to_answer(cls, value: str | tuple[Message, ...]) -> Any:
        if isinstance(value, str):
            return value
        for turn, message in enumerate(value):
            for place, part in enumerate(message.content):
                if wrong := bad_media(part):
                    raise ValueError(f"part {place} of message {turn}: {wrong}")
        asked = next((one for one in reversed(value) if one.role == "user"), None)
        asking = asked.content if asked else [part for one in value for part in one.content]
        if not any(map(says_something, asking)):
            raise ValueError("prompt is empty: there is no text and no media to answer")
        return value

    @model_validator(mode="after")
    def _tools_fit_together(self) -> TextRequest:
        names = [tool.name for tool in self.tools]
        if len(set(names)) != len(names):
            raise ValueError("two tools have the same name")
        if self.tool_choice not in {None, "auto", "none", "required", *names}:
            raise ValueError(f"tool_choice {self.tool_choice!r} names no tool; tools: {names}")
        if self.tool_choice in {"required", *names} and not names:
            raise ValueError("tool_choice asks for a tool, but there are no tools")
        return self

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation as messages, without ``system``."""
        if isinstance(self.prompt, str):
            return (Message(role="user", content=(TextPart(text=self.prompt),)),)
        return self.prompt

    @classmethod
    def answer_type(cls) -> type[TextResponse[Any]]:
        """The class of its answers."""
        return TextResponse


def _tool_like(item: Any) -> Any:
    if isinstance(item, Tool | Mapping):
        return item
    raise ValueError(f"a tool is a function or Tool(...), not {type(item).__name__}")


def _is_turn(item: object) -> bool:
    """Whether a dict is a message in its JSON form; one with ``type`` is a part of a message."""
    return isinstance(item, dict) and ("role" in item or "type" not in item)


class TokenLogprob(Value):
    """A chosen token with its log-probability and the alternatives (token, logprob)."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


class Candidate(Value):
    """One complete answer.

    Attributes:
        parts: What the model produced, in order.
        finish_reason: Why it stopped.
        logprobs: One entry per token, where asked for.
    """

    parts: tuple[Part, ...] = ()
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return plain_text(self.parts)


class Citation(Value):
    """A source that an answer rests on, as the provider names it.

    Attributes:
        url: Where it is. Nothing fetches it by itself.
        title: Its title.
        snippet: The passage that was used.
        published: The day it appeared, as the provider writes it.
        updated: The day it last changed, as the provider writes it.
        source: What kind of thing it is, such as ``web``.
    """

    model_config = ConfigDict(extra="ignore")

    url: str
    title: str | None = None
    snippet: str | None = None
    published: str | None = None
    updated: str | None = None
    source: str | None = None


class TextResponse(Response, Generic[OutputT]):
    """A model's text.

    Attributes:
        candidates: Every answer; there is at least one, and the properties read the first.
        output: The answer as the type asked for with ``output=``, validated.
        steps: Messages exchanged before the answer: with tools that ``max_steps`` ran, and about
            answers that did not fit, with ``reask``.
        citations: Sources of the answer, in the order in which its text numbers them.
    """

    candidates: tuple[Candidate, ...] = ()
    output: OutputT | None = None
    steps: tuple[Message, ...] = ()
    citations: tuple[Citation, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """Parts of the first candidate."""
        return self.candidates[0].parts if self.candidates else ()

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own order of decorators
    @property
    def text(self) -> str:
        """Text of the first candidate."""
        return plain_text(self.parts)

    @property
    def reasoning(self) -> str:
        """The model's thinking in the first candidate, as far as it is shown."""
        return "".join(part.text for part in self.parts if isinstance(part, ReasoningPart))

    @property
    def refusal(self) -> str | None:
        """The model's own words where it declined."""
        texts = [part.text for part in self.parts if isinstance(part, RefusalPart)]
        return "".join(texts) if texts else None

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """Tool calls of the first candidate."""
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def message(self) -> Message:
        """The first candidate as a message, to append to the conversation."""
        return Message(role="assistant", content=self.parts or (TextPart(text=""),))
