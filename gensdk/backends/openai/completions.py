"""Text over legacy Completions: the protocol of models that continue a text.

The wire: ``openai`` 3.52 ``types/completion_create_params.py``. ``echo``, ``suffix`` and
``best_of`` go through ``extra``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gensdk.catalog import text_model
from gensdk.spec import Context
from gensdk.toolkit import Notes, merge_extra
from gensdk.types import TextEvent, TextRequest, TextResponse

from .account import Account
from .chat_fields import Fields, stops_cut_here
from .chat_map import Sent, map_answer
from .chat_messages import plain_prompt
from .chat_stream import collect, events_of
from .options import text_options
from .unasked import is_event_stream

__all__ = ["MAX_LOGPROBS", "PATH", "generate", "prepare", "stream"]

PATH = "/completions"

MAX_LOGPROBS = 5
"""Most alternatives per token (openai 3.52, ``logprobs``)."""

_NOT_HERE = "the Completions protocol has no such field"
_SUPPORTED = frozenset({
    "prompt", "system", "max_tokens", "temperature", "top_p", "top_k", "min_p",
    "presence_penalty", "frequency_penalty", "logit_bias", "seed", "stop", "n", "logprobs",
    "user_id",
})  # fmt: skip
_MEANING = frozenset({"output", "tools"})


async def generate(
    account: Account, request: TextRequest, context: Context
) -> TextResponse[object]:
    """Make one attempt."""
    sent = _prepared(account, request, context, streaming=False)
    answer = await account.post(PATH, dict(sent.payload), context, notes=sent.notes)
    if is_event_stream(answer):
        return await collect(answer, sent)
    return map_answer(answer.body, answer, sent)


async def stream(
    account: Account, request: TextRequest, context: Context
) -> AsyncGenerator[TextEvent, None]:
    """Make one attempt; the last event is ``Finished``."""
    sent = _prepared(account, request, context, streaming=True)
    async with (
        account.stream(PATH, dict(sent.payload), context, notes=sent.notes) as answer,
        aclosing(events_of(answer, sent)) as events,
    ):
        async for event in events:
            yield event


def _prepared(account: Account, request: TextRequest, context: Context, *, streaming: bool) -> Sent:
    notes = Notes(account.name, context)
    payload = prepare(request, context, account, notes, streaming=streaming)
    model = text_model(account.model_vendor, context.model)
    stops = stops_cut_here(request, account.dialect, model)
    return Sent(account, request, context, notes, payload, stops)


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
        UnsupportedFeatureError: Tools, a schema, or anything but text.
        InvalidRequestError: An option or ``extra`` is wrong.
    """
    notes.drop_unsupported(request, _SUPPORTED, meaning=_MEANING, reason=_NOT_HERE)
    options = text_options(request, account.name, account.dialect.name)
    for name in options.model_fields_set - {"protocol", "include_obfuscation"}:
        if getattr(options, name):
            notes.refuse(f"options.{name}", _NOT_HERE)
    model = text_model(account.model_vendor, context.model)
    payload: dict[str, object] = {"model": context.model, "prompt": plain_prompt(request, notes)}
    fields = Fields(request, account.dialect, model, notes, payload)
    fields.sampling()
    fields.limits("max_tokens")
    _logprobs(fields)
    fields.user("user")
    if streaming:
        fields.streaming(options.include_obfuscation)
    if request.extra:
        merge_extra(payload, request, provider=account.name, model=context.model)
    return payload


def _logprobs(fields: Fields) -> None:
    if fields.wanted("logprobs") is None:
        return
    count = fields.request.logprobs or 0
    if count > MAX_LOGPROBS:
        count = MAX_LOGPROBS
        fields.notes.adapt("logprobs", f"At most {count} alternatives are reported.", count)
    fields.payload["logprobs"] = count
