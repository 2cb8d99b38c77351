"""The ground the other types stand on: frozen values, JSON, abilities, requests and responses."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    SerializeAsAny,
    Tag,
)
from pydantic_core import PydanticSerializationError, to_json

__all__ = [
    "ABILITIES",
    "Ability",
    "Attempt",
    "Cost",
    "FinishReason",
    "Interrupted",
    "JsonObject",
    "OnRetired",
    "Request",
    "Response",
    "ResponseWarning",
    "Timing",
    "Unsupported",
    "Usage",
    "Value",
    "unique",
]

Ability = Literal[
    "text", "image", "speech", "music", "transcribe", "video", "embed", "moderate",
]  # fmt: skip
"""What a model can be asked to do; the same words as the client's verbs."""

ABILITIES: tuple[Ability, ...] = (
    "text", "image", "speech", "music", "transcribe", "video", "embed", "moderate",
)  # fmt: skip

Unsupported = Literal["warn", "error", "drop"]
"""What to do with a preference the model cannot honour; what bears meaning is always an error."""

Interrupted = Literal["raise", "restart", "continue"]
"""What happens when a stream breaks after its first output."""

OnRetired = Literal["raise", "successor"]
"""What a call to a model does that its vendor has shut down."""

FinishReason = Literal[
    "stop", "length", "stop_sequence", "tool_calls", "content_filter", "refusal", "pause",
    "cancelled", "error", "unknown",
]  # fmt: skip
"""Why the model stopped. ``unknown``: the raw word is in ``provider_details``."""

JsonObject = dict[str, JsonValue]


def _bytes_of(value: Any) -> Any:
    """Text stands for base64, as in the JSON form: also where ``json.loads`` came before."""
    if isinstance(value, str):
        return base64.b64decode(value.translate(_URL_SAFE), validate=True)
    return value


Text = Annotated[str, Field(min_length=0)]
"""Text that can be sent: the bound makes pydantic refuse lone surrogates, which have no UTF-8."""


def _sendable(value: JsonObject) -> JsonObject:
    try:
        to_json(value)
    except PydanticSerializationError as error:
        raise ValueError("it holds a lone surrogate, which has no UTF-8") from error
    return value


SendableJson = Annotated[JsonObject, AfterValidator(_sendable)]
"""A JSON object that can be sent: no lone surrogates, neither in names nor in values."""

_URL_SAFE = str.maketrans("-_", "+/")

Base64Bytes = Annotated[bytes, BeforeValidator(_bytes_of)]
"""Bytes in Python, base64 (either alphabet) in JSON."""


def several_texts(value: Any) -> Any:
    """A single text as the one of its list; other things that are no list are refused."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise ValueError(f"give a text or a list of texts, not {type(value).__name__}")
    return value


def none_blank(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse texts of nothing but white space, by their place."""
    for index, text in enumerate(texts):
        if not text.strip():
            raise ValueError(f"input {index} is empty")
    return texts


def _kind_of_options(value: Any) -> str:
    return "model" if isinstance(value, BaseModel) else "json"


# A tagged union, because plain JSON must never be taken for an empty ``BaseModel``.
Options = Annotated[
    Annotated[SerializeAsAny[BaseModel], Tag("model")] | Annotated[SendableJson, Tag("json")],
    Discriminator(_kind_of_options),
]
"""Vendor options: a typed model, or plain JSON."""


class Value(BaseModel):
    """A frozen value: compared by content, replaced rather than edited, JSON both ways."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
        defer_build=True,
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show what was set to something else than its default."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            field = fields.get(name or "")
            if (
                field is None
                or field.is_required()
                or value != field.get_default(call_default_factory=True, validated_data={})
            ):
                yield name, value


class Request(Value):
    """What every request has. Build one directly, or let a client verb build it.

    Attributes:
        model: ``"provider:model"``, an alias, or several of them in order of preference.
            None takes the client's default for the ability.
        options: Vendor options by provider name (``{"openai": OpenAITextOptions(...)}``), used
            on that provider's hop alone. An account of your own goes by the name it is
            registered under, by the name its backend has, or by its vendor's.
        extra: Fields passed verbatim into the provider's request body. A clash with a portable
            field is an error.
        unsupported: What happens to preferences the model cannot honour; None takes the
            client's setting.
        tag: Free label that comes back in hooks, for accounting.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    ability: ClassVar[Ability]

    model: Text | tuple[Text, ...] | None = None
    options: Mapping[Text, Options] = Field(default_factory=dict)
    extra: SendableJson = Field(default_factory=dict)
    unsupported: Unsupported | None = None
    tag: Text | None = None

    @classmethod
    def answer_type(cls) -> type[Response]:
        """The class of its answers."""
        return Response

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of the request; equal requests have equal ones."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class Usage(Value):
    """What was consumed, as the provider counted it. None means the provider did not say.

    ``cached_tokens`` and ``cache_write_tokens`` are part of ``input_tokens``;
    ``reasoning_tokens`` is part of ``output_tokens``.
    """

    model_config = ConfigDict(extra="ignore")

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    characters: int | None = None
    audio_s: float | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input plus output tokens, or None where neither is known."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    def __add__(self, other: Usage) -> Usage:
        """Add field by field; a field unknown on both sides stays unknown."""
        sums: dict[str, Any] = {}
        for name in type(self).model_fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None or theirs is not None:
                sums[name] = (mine or 0) + (theirs or 0)
        return Usage(**sums)


class Cost(Value):
    """Money for one call, from list prices.

    Attributes:
        amount: Price of the usage, exact.
        currency: ISO 4217 code.
        source: Price table and version, or ``provider`` where the provider stated it.
        estimated: True where list prices stand in for the bill.
    """

    model_config = ConfigDict(extra="ignore")

    amount: Decimal
    currency: str = "USD"
    source: str = ""
    estimated: bool = True

    @classmethod
    def total(cls, costs: Iterable[Cost | None]) -> Cost | None:
        """All costs together; None where one is unknown or the currencies differ."""
        known = list(costs)
        first = known[0] if known else None
        if first is None:
            return None
        amount = Decimal(0)
        for cost in known:
            if cost is None or cost.currency != first.currency:
                return None
            amount += cost.amount
        estimated = any(cost.estimated for cost in known if cost is not None)
        return first.model_copy(update={"amount": amount, "estimated": estimated})

    def __str__(self) -> str:
        """Return the amount and the currency."""
        return f"{self.amount:f} {self.currency}"


class Timing(Value):
    """When and how long, on this machine's clock.

    Attributes:
        started_at: Moment the call began, UTC; None where no client was asked.
        duration_s: Seconds until the whole answer was there, waits and retries included.
        first_output_s: Seconds to the first output of a stream, None for plain calls.
    """

    model_config = ConfigDict(extra="ignore")

    started_at: datetime | None = None
    duration_s: float = 0.0
    first_output_s: float | None = None


class ResponseWarning(Value):
    """Something the caller should know about how a request was carried out.

    Attributes:
        kind: ``unsupported``: a field was dropped; ``adapted``: sent in another form;
            ``deprecated`` or ``retiring``: the model or field will go; ``demo``: a built-in
            demonstration model answered; ``other``.
        parameter: The request field concerned.
        message: One sentence.
        sent: What was sent instead, for ``adapted``.
    """

    model_config = ConfigDict(extra="ignore")

    kind: Literal["unsupported", "adapted", "deprecated", "retiring", "demo", "other"]
    message: str
    parameter: str | None = None
    sent: JsonValue = None

    def __str__(self) -> str:
        """Return the message."""
        return self.message


def unique(warnings: Iterable[ResponseWarning]) -> tuple[ResponseWarning, ...]:
    """The warnings without repetitions, in order; they may hold JSON, which has no hash."""
    found: list[ResponseWarning] = []
    for warning in warnings:
        if warning not in found:
            found.append(warning)
    return tuple(found)


class Attempt(Value):
    """One try at answering, successful or not.

    Attributes:
        provider: Name of the backend.
        model: Model asked, without the provider prefix.
        outcome: ``skipped`` means refused before the network.
        error: Kind of the error (``rate_limit``), None for ``ok``.
        message: The error's message.
        status: HTTP status of the failed answer.
        request_id: The provider's id.
        start_s: Seconds after the start of the call.
        duration_s: Seconds the try took.
        delay_s: Seconds waited before it.
        billed: Whether the provider may charge for it.
    """

    model_config = ConfigDict(extra="ignore")

    provider: str
    model: str
    outcome: Literal["ok", "error", "skipped", "cancelled"]
    error: str | None = None
    message: str | None = None
    status: int | None = None
    request_id: str | None = None
    start_s: float = 0.0
    duration_s: float = 0.0
    delay_s: float = 0.0
    billed: Literal["no", "maybe", "yes"] = "no"


class Response(Value):
    """What every response has beside its content.

    Attributes:
        provider: Backend that answered.
        model: Model that answered, as the provider names it.
        finish_reason: Why generation ended, where the ability has such a thing.
        usage: What the provider counted.
        cost: List price of the usage; None where it is not known. Never a made-up zero.
        warnings: What was dropped, adapted or is about to change.
        attempts: Every try of this call, oldest first; the last one is the answer.
        request_id: The provider's id of the answer.
        timing: When and how long.
        reproducible: Whether the same request should give the same answer again (a seed was
            honoured, or nothing was random).
        provider_details: Facts only this provider has, as plain JSON.
        cached: Whether it was kept from an equal call, or shared with one under way: no attempt
            was made, and it cost nothing. ``usage`` and ``request_id`` are those of that call.
    """

    model_config = ConfigDict(extra="ignore")

    provider: str = ""
    model: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage = Usage()
    cost: Cost | None = None
    warnings: tuple[ResponseWarning, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    request_id: str | None = None
    timing: Timing = Timing()
    reproducible: bool = False
    provider_details: JsonObject = Field(default_factory=dict)
    cached: bool = False

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed. The values are trusted, not validated."""
        if self.__pydantic_private__ or self.__pydantic_extra__:
            return self.model_copy(update=changes)
        made = object.__new__(type(self))  # what model_copy does, in a fifth of its time
        object.__setattr__(made, "__dict__", {**self.__dict__, **changes})
        given = self.__pydantic_fields_set__.union(changes)
        object.__setattr__(made, "__pydantic_fields_set__", given)
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made
