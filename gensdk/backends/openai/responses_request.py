"""The body of ``POST /responses`` from a request: pure, and every field accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gensdk.catalog import TextModelRow, text_model
from gensdk.toolkit import merge_extra
from gensdk.types import Message, TextRequest

from .options import OpenAITextOptions, text_options
from .responses_input import input_items
from .schema import already_strict, lower, name_for_wire, note_loose

if TYPE_CHECKING:
    from gensdk.catalog.compatible import Dialect
    from gensdk.spec import Context
    from gensdk.toolkit import Notes
    from gensdk.types import OutputSchema, Tool

    from .account import Account

__all__ = ["prepare"]

_SAMPLING = ("temperature", "top_p")
_ABSENT = (
    "seed", "presence_penalty", "frequency_penalty", "logit_bias", "top_k", "min_p",
)  # fmt: skip
_NAMES = {
    "user_id": "safety_identifier",
    "service_tier": "service_tier",
    "cache_key": "prompt_cache_key",
    "metadata": "metadata",
    "parallel_tool_calls": "parallel_tool_calls",
}
_PLAIN_OPTIONS = ("previous_response_id", "conversation", "truncation", "max_tool_calls")
_LEAST_TOKENS = 16
"""Smallest ``max_output_tokens`` (OpenAI's API specification of 2026-08-21, CreateResponse)."""

_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"


def prepare(
    request: TextRequest, context: Context, account: Account, notes: Notes, *, stream: bool = False
) -> dict[str, object]:
    """Build the body. Unset fields are not sent; what cannot be sent is noted or refused.

    Raises:
        UnsupportedFeatureError: A field that carries meaning has no place in this protocol.
        InvalidRequestError: ``extra`` clashes with a field, or a part stands in the wrong role.
    """
    dialect = account.dialect
    options = text_options(request, account.name, dialect.name)
    row = text_model(account.model_vendor, context.model)
    builder = _Body(request, dialect, options, row, notes, at_openai=bool(account.model_vendor))
    payload: dict[str, object] = {"model": context.model}
    payload["input"] = _input(request, account, notes, stored=options.store is True)
    if request.system is not None:
        payload["instructions"] = request.system
    builder.refuse_foreign()
    builder.length(payload)
    builder.sampling(payload)
    builder.reasoning(payload)
    builder.text(payload)
    builder.tools(payload)
    builder.labels(payload)
    builder.storage(payload)
    if stream:
        payload["stream"] = True
        if options.include_obfuscation is not None:
            payload["stream_options"] = {"include_obfuscation": options.include_obfuscation}
    merge_extra(payload, request, provider=account.name, model=context.model)
    if payload.get("background"):
        notes.refuse("extra", "background answers come later, and this call waits for its answer")
    if not stream and payload.get("stream"):
        notes.refuse("extra", "use stream_text() for a stream")
    return payload


def _input(
    request: TextRequest, account: Account, notes: Notes, *, stored: bool
) -> str | list[dict[str, object]]:
    if isinstance(request.prompt, str):
        return request.prompt
    messages: tuple[Message, ...] = request.prompt
    return input_items(
        messages,
        provider=account.name,
        system_role=account.dialect.system_role,
        stored=stored,
        notes=notes,
    )


class _Body:
    """Takes the fields of one request over into a payload, one method for each group."""

    __slots__ = ("at_openai", "dialect", "notes", "options", "request", "row")

    def __init__(
        self,
        request: TextRequest,
        dialect: Dialect,
        options: OpenAITextOptions,
        row: TextModelRow,
        notes: Notes,
        *,
        at_openai: bool,
    ) -> None:
        self.request = request
        self.dialect = dialect
        self.options = options
        self.row = row
        self.notes = notes
        self.at_openai = at_openai

    def refuse_foreign(self) -> None:
        """Refuse, or drop, what this protocol does not have."""
        if self.options.chat_only:
            self.notes.refuse(
                f"options.{self.options.chat_only[0]}", "Chat Completions has it, Responses not"
            )
        if (self.request.n or 1) > 1:
            self.notes.refuse("n", "Responses gives one answer for each request")
        for name in _ABSENT:
            if getattr(self.request, name) is not None:
                self.notes.drop(name, "Responses has no such field")
        if self.request.stop:
            self.notes.adapt(
                "stop",
                "Responses has no stop strings: the text is cut here, and what the model wrote "
                "after the cut is billed",
            )

    def length(self, payload: dict[str, object]) -> None:
        """Upper bound on new tokens; OpenAI's own server has a lower bound for it."""
        most = self.request.max_tokens
        if most is None:
            return
        if self.at_openai and most < _LEAST_TOKENS:
            self.notes.adapt(
                "max_tokens",
                f"Responses takes no bound below {_LEAST_TOKENS} tokens: {_LEAST_TOKENS} was sent",
                _LEAST_TOKENS,
            )
            most = _LEAST_TOKENS
        payload["max_output_tokens"] = most

    def sampling(self, payload: dict[str, object]) -> None:
        """Temperature, nucleus and log-probabilities: only while the model does not reason."""
        taken = self.row.takes_sampling(self.request.reasoning_effort)
        for name in (*_SAMPLING, "logprobs"):
            value = getattr(self.request, name)
            if value is None:
                continue
            if not taken:
                self.notes.drop(name, "it reasons, and takes this only while it does not")
            elif name in self.dialect.refuses:
                self.notes.drop(name, "this server has no such field")
            elif name == "logprobs":
                payload["top_logprobs"] = value
            else:
                payload[name] = value

    def reasoning(self, payload: dict[str, object]) -> None:
        """Effort, summary, context and mode."""
        reasoning: dict[str, object] = {}
        effort = self.request.reasoning_effort
        if effort is not None:
            if effort in self.row.refused_efforts:
                self.notes.drop("reasoning_effort", f"it knows no effort {effort!r}")
            elif self.row.reasons == "never" and self.row.families:
                if effort != "none":
                    self.notes.drop("reasoning_effort", "it does not reason")
            elif "reasoning_effort" in self.dialect.refuses:
                self.notes.drop("reasoning_effort", "this server has no such field")
            else:
                reasoning["effort"] = effort
        given = {
            "summary": self.options.reasoning_summary,
            "context": self.options.reasoning_context,
            "mode": self.options.reasoning_mode,
        }
        reasoning |= {name: value for name, value in given.items() if value is not None}
        if reasoning:
            payload["reasoning"] = reasoning

    def text(self, payload: dict[str, object]) -> None:
        """Schema of the answer, and its verbosity."""
        text: dict[str, object] = {}
        if self.request.output is not None:
            text["format"] = self._format(self.request.output)
        if self.request.verbosity is not None:
            if "verbosity" in self.dialect.refuses:
                self.notes.drop("verbosity", "this server has no such field")
            else:
                text["verbosity"] = self.request.verbosity
        if text:
            payload["text"] = text

    def _format(self, output: OutputSchema) -> dict[str, object]:
        lowered = lower(output.json_schema)
        strict = lowered.strict and self.options.strict is not False
        if self.options.strict and not lowered.strict:
            self.notes.refuse("output", f"strict mode has no words for {lowered.problem}")
        if not lowered.strict:
            note_loose(self.notes, lowered)
        schema = lowered.schema if strict else output.json_schema
        name = name_for_wire(output.name)
        return {"type": "json_schema", "name": name, "schema": schema, "strict": strict}

    def tools(self, payload: dict[str, object]) -> None:
        """Functions, OpenAI's own tools, and the choice among them."""
        tools = [self._function(tool) for tool in self.request.tools]
        tools += [dict(tool) for tool in self.options.builtin_tools]
        if tools:
            payload["tools"] = tools
        choice = self.request.tool_choice
        if choice in {"auto", "none", "required"}:
            payload["tool_choice"] = choice
        elif choice is not None:
            payload["tool_choice"] = {"type": "function", "name": choice}

    def _function(self, tool: Tool) -> dict[str, object]:
        # The server's default is strict, so it is always said. A function with optional
        # arguments stays loose: strict mode would make the model fill every one of them.
        exact = already_strict(tool.parameters)
        wanted = exact if self.options.strict is None else self.options.strict
        lowered = lower(tool.parameters)
        if wanted and not lowered.strict:
            self.notes.refuse("tools", f"strict mode has no words for {lowered.problem}")
        parameters = lowered.schema if wanted else tool.parameters
        function: dict[str, object] = {"type": "function", "name": tool.name}
        if tool.description:
            function["description"] = tool.description
        return {**function, "parameters": parameters, "strict": wanted}

    def labels(self, payload: dict[str, object]) -> None:
        """End user, tier, cache key, metadata and parallel calls."""
        for name, wire_name in _NAMES.items():
            value = getattr(self.request, name)
            if value is None:
                continue
            if name in self.dialect.refuses:
                self.notes.drop(name, "this server has no such field")
            elif name == "user_id" and self.dialect.user_field == "user":
                payload["user"] = value
            else:
                payload[wire_name] = value

    def storage(self, payload: dict[str, object]) -> None:
        """Whether the answer is kept, what it continues, and what comes back with it."""
        for name in _PLAIN_OPTIONS:
            if (value := getattr(self.options, name)) is not None:
                payload[name] = value
        store = self.options.store
        if store is not None:
            payload["store"] = store
        elif self.at_openai and not self._continues() and "store" not in self.request.extra:
            payload["store"] = False
        include = list(self.options.include)
        if "top_logprobs" in payload:
            include.append(_LOGPROBS)
        if self.at_openai and payload.get("store") is False and self.row.reasons != "never":
            include.append(_ENCRYPTED)
        if include and "include" not in self.request.extra:
            payload["include"] = list(dict.fromkeys(include))

    def _continues(self) -> bool:
        # A conversation is state at the server by the caller's own wish.
        return self.options.conversation is not None
