"""Text over Chat Completions: prepare (pure), send, map (pure).

The wire: ``openai`` 3.52 ``types/chat/completion_create_params.py``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic_core import to_json

from gensdk.catalog import TextModelRow, text_model
from gensdk.spec import Context
from gensdk.toolkit import Notes, merge_extra
from gensdk.types import OutputSchema, TextEvent, TextRequest, TextResponse, Tool

from .account import Account
from .chat_fields import Fields, stops_cut_here
from .chat_map import Sent, map_answer
from .chat_messages import Wire, conversation, fetched
from .chat_stream import collect, events_of
from .options import OpenAITextOptions, text_options
from .schema import already_strict, lower, name_for_wire, note_loose
from .unasked import is_event_stream

__all__ = ["PATH", "generate", "prepare", "stream"]

PATH = "/chat/completions"

_RESPONSES_ONLY_MEANING = ("previous_response_id", "conversation", "builtin_tools")
_RESPONSES_ONLY = (
    "truncation", "include", "reasoning_summary", "reasoning_context", "reasoning_mode",
    "max_tool_calls",
)  # fmt: skip


async def generate(
    account: Account, request: TextRequest, context: Context
) -> TextResponse[object]:
    """Make one attempt."""
    sent = await _prepared(account, request, context, streaming=False)
    answer = await account.post(PATH, dict(sent.payload), context, notes=sent.notes)
    if is_event_stream(answer):
        return await collect(answer, sent)
    return map_answer(answer.body, answer, sent)


async def stream(
    account: Account, request: TextRequest, context: Context
) -> AsyncGenerator[TextEvent, None]:
    """Make one attempt; the last event is ``Finished``."""
    sent = await _prepared(account, request, context, streaming=True)
    async with (
        account.stream(PATH, dict(sent.payload), context, notes=sent.notes) as answer,
        aclosing(events_of(answer, sent)) as events,
    ):
        async for event in events:
            yield event


async def _prepared(
    account: Account, request: TextRequest, context: Context, *, streaming: bool
) -> Sent:
    notes = Notes(account.name, context)
    request = await fetched(request, account.dialect, notes, context)
    payload = prepare(request, context, account, notes, streaming=streaming)
    stops = stops_cut_here(request, account.dialect, _model(account, context))
    return Sent(account, request, context, notes, payload, stops)


def _model(account: Account, context: Context) -> TextModelRow:
    return text_model(account.model_vendor, context.model)


def prepare(
    request: TextRequest,
    context: Context,
    account: Account,
    notes: Notes,
    *,
    streaming: bool = False,
) -> dict[str, object]:
    """The body to send.

    Raises:
        UnsupportedFeatureError: A field that carries meaning cannot be sent.
        InvalidRequestError: A message, an option or ``extra`` is wrong.
    """
    options = text_options(request, account.name, account.dialect.name)
    payload: dict[str, object] = {"model": context.model}
    fields = Fields(request, account.dialect, _model(account, context), notes, payload)
    instructions = _output(fields, options)
    payload["messages"] = conversation(request, account.dialect, notes, instructions)
    fields.sampling()
    fields.limits(account.dialect.max_tokens_field)
    _logprobs(fields)
    _tools(fields, options)
    _effort(fields)
    fields.put("verbosity", "service_tier", "metadata")
    fields.put_as("cache_key", "prompt_cache_key")
    fields.user(account.dialect.user_field)
    _options(fields, options)
    if streaming:
        fields.streaming(options.include_obfuscation)
    if request.extra:
        merge_extra(payload, request, provider=account.name, model=context.model)
    return payload


def _output(fields: Fields, options: OpenAITextOptions) -> str:
    """Ask for structured output; returns what must be said in the instructions for it."""
    output, dialect = fields.request.output, fields.dialect
    if output is None:
        return ""
    if "output" in dialect.refuses:
        fields.notes.refuse("output", "this server does not hold answers to a schema")
    if dialect.schema_mode == "object":
        fields.payload["response_format"] = {"type": "json_object"}
        fields.notes.adapt(
            "output", "The server knows JSON mode only: the schema went into the instructions."
        )
        schema = to_json(output.json_schema).decode()
        return f"Answer with one JSON object that fits this JSON schema:\n{schema}"
    fields.payload["response_format"] = {
        "type": "json_schema",
        "json_schema": _schema(output, fields, options),
    }
    return ""


def _schema(output: OutputSchema, fields: Fields, options: OpenAITextOptions) -> Wire:
    name = name_for_wire(output.name)
    lowered = lower(output.json_schema)
    if options.strict and not lowered.strict:
        fields.notes.refuse("output", f"strict mode cannot express {lowered.problem}")
    wants = options.strict
    if wants is None:
        wants = fields.dialect.schema_mode == "strict"
    if wants and lowered.strict:
        return {"name": name, "schema": lowered.schema, "strict": True}
    if wants:
        note_loose(fields.notes, lowered)
    return {"name": name, "schema": output.json_schema}


def _logprobs(fields: Fields) -> None:
    count = fields.wanted("logprobs")
    if count is not None:
        fields.payload["logprobs"] = True
        if count:
            fields.payload["top_logprobs"] = count


def _tools(fields: Fields, options: OpenAITextOptions) -> None:
    request, notes = fields.request, fields.notes
    if not request.tools:
        if request.parallel_tool_calls is not None:
            notes.drop("parallel_tool_calls", "the request has no tools")
        return
    if "tools" in fields.dialect.refuses:
        notes.refuse("tools", "this server calls no tools")
    model = fields.model
    if not model.chat_tools_while_reasoning and model.reasoning(request.reasoning_effort):
        notes.refuse(
            "tools",
            "over Chat Completions it takes tools only with reasoning_effort='none'; use the "
            "Responses protocol",
        )
    tools = _choose(fields, request.tools)
    if tools:
        fields.payload["tools"] = [_tool(tool, fields, options) for tool in tools]
        fields.put("parallel_tool_calls")


def _choose(fields: Fields, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """Say which tool to call, by other means where the server does not read ``tool_choice``."""
    choice, refuses, notes = fields.request.tool_choice, fields.dialect.refuses, fields.notes
    if choice is None:
        return tools
    if "tool_choice" in refuses:
        if choice == "none":
            notes.adapt("tool_choice", "The server has no tool_choice: no tools were sent.")
            return ()
        if choice != "auto":
            notes.refuse("tool_choice", "this server always chooses by itself")
        return tools
    if choice in {"auto", "none", "required"}:
        fields.payload["tool_choice"] = choice
        return tools
    if "named_tool_choice" in refuses:
        notes.adapt("tool_choice", f"Only {choice!r} was sent, as required.", "required")
        fields.payload["tool_choice"] = "required"
        return tuple(tool for tool in tools if tool.name == choice)
    fields.payload["tool_choice"] = {"type": "function", "function": {"name": choice}}
    return tools


def _tool(tool: Tool, fields: Fields, options: OpenAITextOptions) -> Wire:
    function: Wire = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    # A tool with optional arguments would have to be given all of them in strict mode.
    wants_strict = fields.dialect.schema_mode == "strict" and options.strict is not False
    if wants_strict and already_strict(tool.parameters):
        function |= {"parameters": lower(tool.parameters).schema, "strict": True}
    return {"type": "function", "function": function}


def _effort(fields: Fields) -> None:
    effort = fields.request.reasoning_effort
    if effort is not None and (problem := _effort_problem(fields.model, effort)):
        fields.notes.drop("reasoning_effort", problem)
    else:
        fields.put("reasoning_effort")


def _effort_problem(model: TextModelRow, effort: str) -> str | None:
    if model.families and model.reasons == "never":
        return "this model does not reason"
    if effort in model.refused_efforts:
        return f"this model does not know {effort!r}"
    return None


def _options(fields: Fields, options: OpenAITextOptions) -> None:
    for name in _RESPONSES_ONLY_MEANING:
        if getattr(options, name):
            fields.notes.refuse(f"options.{name}", "only the Responses protocol has it")
    for name in _RESPONSES_ONLY:
        if getattr(options, name):
            fields.notes.drop(f"options.{name}", "only the Responses protocol has it")
    if options.store is not None:
        fields.payload["store"] = options.store
    if options.prediction is not None:
        fields.payload["prediction"] = {"type": "content", "content": options.prediction}
    if options.audio is not None:
        fields.payload["modalities"] = ["text", "audio"]
        fields.payload["audio"] = options.audio.model_dump()
