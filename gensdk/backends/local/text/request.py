"""Text: from a request to a job (prepare), from the engine's result to a response (map). Pure."""

from __future__ import annotations

import json

from gensdk.errors import InvalidRequestError, WorkerCrashedError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.toolkit.dialect import NotExpressibleError
from gensdk.types import (
    URL,
    Candidate,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextRequest,
    TextResponse,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Usage,
)

from ..fields import options_of
from ..job import Final
from ..options import LocalTextOptions
from .job import ChatTurn, Ended, Picture, RowResult, TextJob
from .sampling import SamplingWish
from .schema import followed

__all__ = ["prepare", "respond"]

_SUPPORTED = frozenset(
    {
        "prompt", "system", "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop",
        "presence_penalty", "frequency_penalty", "logit_bias", "n", "logprobs", "output", "tools",
        "tool_choice", "parallel_tool_calls",
    }
)  # fmt: skip
_NO_REASONING = "earlier reasoning is not part of the conversation sent"


def prepare(
    request: TextRequest, context: Context, provider: str, *, streams: bool, sees: bool = False
) -> tuple[TextJob, Notes]:
    """Turn a request into a job. Pictures given by address have been fetched before.

    ``sees`` says whether the model may be one that looks at pictures.

    Raises:
        UnsupportedFeatureError: It asks for something this engine cannot do.
        InvalidRequestError: Its options are wrong.
    """
    notes = Notes(provider, context)
    if request.extra:
        notes.refuse("extra", "there is no request body here; see LocalTextOptions")
    notes.drop_unsupported(request, _SUPPORTED, reason="the local engine has no such thing")
    options = options_of(request.options.get(provider), LocalTextOptions, provider)
    tools = _tools(request, options, notes)
    job = TextJob(
        turns=_turns(request, notes, sees),
        plain=isinstance(request.prompt, str) and request.system is None,
        mode=options.mode,
        sampling=_wish(request, options),
        max_tokens=request.max_tokens,
        stop=request.stop or (),
        schema=_schema(request, notes),
        logprobs=request.logprobs,
        streams=streams,
        lookup=options.prompt_lookup_num_tokens or 0,
        source_language=options.source_language,
        target_language=options.target_language,
        strict=context.unsupported == "error",
        tools=tools,
        tool_choice=request.tool_choice or "auto",
        parallel_calls=request.parallel_tool_calls is not False,
        variables=tuple(options.template_variables.items()),
    )
    return job, notes


def respond(ended: Final, notes: Notes, model: str, provider: str) -> TextResponse[object]:
    """Turn the engine's result into a response."""
    if not isinstance(ended, Ended):
        raise WorkerCrashedError(f"the worker answered with {type(ended).__name__}")
    for adaptation in ended.adaptations:
        notes.adapt(adaptation.parameter, adaptation.message, adaptation.sent)
    for parameter, reason in ended.drops:
        notes.drop(parameter, reason)
    return TextResponse[object](
        provider=provider,
        model=model,
        candidates=tuple(_candidate(row) for row in ended.rows),
        finish_reason=ended.rows[0].finish_reason,
        usage=Usage(
            input_tokens=ended.prompt_tokens,
            output_tokens=sum(row.tokens for row in ended.rows),
            reasoning_tokens=_reasoning_tokens(ended),
        ),
        warnings=notes.warnings,
        reproducible=ended.reproducible,
        provider_details={"device": ended.device, "dtype": ended.dtype, **ended.details},
    )


def _reasoning_tokens(ended: Ended) -> int | None:
    counts = [row.reasoning_tokens for row in ended.rows if row.reasoning_tokens is not None]
    return sum(counts) if counts else None


def _candidate(row: RowResult) -> Candidate:
    parts = row.parts
    if parts is None:
        parts = (TextPart(text=row.text),) if row.text else ()
    return Candidate(parts=parts, finish_reason=row.finish_reason, logprobs=row.logprobs)


def _schema(request: TextRequest, notes: Notes) -> str | None:
    """The schema that the answer is held to, as JSON."""
    if request.output is None:
        return None
    try:
        schema, left = followed(request.output.json_schema, all_of_it=True)
    except NotExpressibleError as problem:
        notes.refuse("output", f"the grammar of this machine has no words for {problem}")
    if left:
        words = ", ".join(left)
        notes.adapt(
            "output",
            f"The grammar of this machine does not hold the model to {words}; "
            "the finished answer is still checked.",
            words,
        )
    return json.dumps(schema)


def _wish(request: TextRequest, options: LocalTextOptions) -> SamplingWish:
    return SamplingWish(
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        min_p=request.min_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
        logit_bias=request.logit_bias,
        seed=request.seed,
        n=request.n or 1,
    )


def _tools(request: TextRequest, options: LocalTextOptions, notes: Notes) -> tuple[Tool, ...]:
    """The tools to show."""
    if not request.tools:
        if request.parallel_tool_calls is not None:
            notes.drop("parallel_tool_calls", "the request has no tools")
        return ()
    if request.tool_choice == "none":
        notes.adapt("tool_choice", "The tools were not shown to the model.")
        return ()
    if options.mode == "raw":
        notes.refuse("tools", "mode='raw' shows the model nothing but the prompt")
    return request.tools


def _turns(request: TextRequest, notes: Notes, sees: bool) -> tuple[ChatTurn, ...]:
    turns = [ChatTurn("system", request.system)] if request.system else []
    for message in request.messages:
        turns += _of_message(message, notes, sees)
    kept = [one for one in turns if one.text or one.pictures or one.calls or one.role == "tool"]
    if any(turn.reasoning for turn in turns if turn not in kept):
        notes.adapt("prompt", _NO_REASONING)
    if not any(turn.role != "system" for turn in kept):
        what = "neither text nor pictures" if sees else "no text"
        raise InvalidRequestError(f"the conversation holds {what}", param="prompt")
    if kept[-1].calls:
        raise InvalidRequestError(
            "the conversation ends with a call of a tool; add its result with Message.tool(…)",
            param="prompt",
        )
    return tuple(kept)


def _of_message(message: Message, notes: Notes, sees: bool) -> list[ChatTurn]:
    """The turns of a message: results of tools one by one, everything else as one."""
    results = [
        ChatTurn("tool", part.content, call_id=part.tool_call_id, name=part.name)
        for part in message.content
        if isinstance(part, ToolResultPart)
    ]
    if message.role != "tool":
        return [_said(message, notes, sees), *results]
    if len(results) < len(message.content):
        notes.refuse("prompt", "a message of the role 'tool' holds results of tools only")
    return results


def _said(message: Message, notes: Notes, sees: bool) -> ChatTurn:
    text, pictures, calls, reasoning = "", [], [], ""
    for part in message.content:
        if isinstance(part, TextPart | RefusalPart):
            text += part.text
        elif isinstance(part, ReasoningPart):
            reasoning += part.text
            if not part.text:  # its provider shows it to nobody
                notes.adapt("prompt", _NO_REASONING)
        elif isinstance(part, ImagePart) and sees:
            pictures.append(Picture(len(text), _file(part, notes)))
        elif isinstance(part, ToolCallPart) and message.role == "assistant":
            calls.append(part)
        elif not isinstance(part, ToolResultPart):
            kind = part.type.replace("_", " ")
            reads = "text and pictures" if sees else "text"
            notes.refuse("prompt", f"this model reads {reads} only, not {kind} parts")
    return ChatTurn(message.role, text, tuple(pictures), tuple(calls), reasoning)


def _file(part: ImagePart, notes: Notes) -> bytes:
    if isinstance(part.image, URL):
        raise InvalidRequestError(f"{part.image} was not fetched", param="prompt")
    if part.image.kind != "image" and part.image.media_type != "application/octet-stream":
        raise InvalidRequestError(
            f"a picture part holds {part.image.media_type}, which is no picture", param="prompt"
        )
    if part.detail not in {None, "auto"}:
        notes.drop("detail", "a model on this machine looks at every picture in its own way")
    return part.image.data
