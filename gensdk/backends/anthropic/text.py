"""Text over the Messages API: prepare, send, map."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from gensdk.toolkit import Notes, server_sent_events
from gensdk.toolkit.http import MAX_BYTES
from gensdk.types import Finished, deltas_of

from .answer import Call, map_bytes
from .request import prepare
from .stream import MessageStream

if TYPE_CHECKING:
    from gensdk.spec import Context
    from gensdk.types import TextEvent, TextRequest, TextResponse

    from .account import Account

__all__ = ["PATH", "generate", "stream"]

PATH = "/v1/messages"


async def generate(account: Account, request: TextRequest, context: Context) -> TextResponse[Any]:
    """Answer a request, once.

    Raises:
        GenSDKError: By cause; see ``errors`` and ``answer``.
    """
    notes = Notes(account.name, context)
    prepared = prepare(request, context, account, notes)
    answer = await account.post(PATH, prepared.payload, prepared.headers, context)
    return map_bytes(answer.body, answer, Call(account, context, notes))


async def stream(
    account: Account, request: TextRequest, context: Context
) -> AsyncGenerator[TextEvent, None]:
    """Stream the answer to a request, once; closing the generator closes the connection.

    Raises:
        StreamInterruptedError: It ended without its final event.
        GenSDKError: By cause; see ``errors`` and ``answer``.
    """
    notes = Notes(account.name, context)
    prepared = prepare(request, context, account, notes, stream=True)
    opened = account.stream(PATH, prepared.payload, prepared.headers, context)
    async with opened as answer:
        call = Call(account, context, notes)
        declared = answer.headers.get("content-type", "")
        if "json" in declared or "html" in declared:
            response = map_bytes(await answer.read(MAX_BYTES), answer, call)
            for piece in deltas_of(response):
                yield piece
            yield Finished(response=response)
            return
        state = MessageStream(answer, call)
        async for wire_event in server_sent_events(answer.chunks()):
            for event in state.read(wire_event):
                yield event
            if state.response is not None:
                await answer.drain()
                yield Finished(response=state.response)
                return
        raise state.interrupted()
