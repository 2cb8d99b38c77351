"""Previews while a picture is drawn: the event stream of ``/images``.

The wire: ``openai`` 3.52 ``types/image_gen_stream_event.py``, ``types/image_edit_stream_event.py``.
The stream is whole with its ``….completed`` event and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any

from pydantic_core import from_json

from gensdk.errors import ConnectionFailedError, StreamInterruptedError
from gensdk.toolkit import MAX_MEDIA_BYTES, Answer, SSEEvent, StreamAnswer, server_sent_events
from gensdk.types import Finished, ImageDone, ImageEvent, ImagePreview, ImageResponse, Usage

from .errors import request_id_of
from .image_answers import ImageFacts, image_response, whole_response
from .image_calls import ImageCall
from .media_wire import decoded, picture, read_or_none

__all__ = ["retold", "stream_events"]

_DEFAULT_PREVIEWS = 2
_MAX_EVENT_BYTES = 128 * 2**20


class _Event(ImageFacts):
    """Any event of the stream; an ``error`` event is told by its type or its ``error``."""

    type: str = ""
    b64_json: str | None = None
    partial_image_index: int = 0
    error: Any = None


async def stream_events(call: ImageCall) -> AsyncGenerator[ImageEvent]:
    """Yield previews, the finished picture and the response.

    Raises:
        StreamInterruptedError: The stream ended without the finished picture.
        GenSDKError: It held an error, or could not be read.
    """
    asked = call.wire.options.partial_images
    previews = _DEFAULT_PREVIEWS if asked is None else asked
    async with call.open(previews) as answer:
        declared = answer.headers.get("content-type", "")
        if "json" in declared or "html" in declared:
            # A server that knows no previews sends the whole answer at once.
            body = await answer.read(MAX_MEDIA_BYTES)
            response = await whole_response(call, Answer(answer.status, answer.headers, body))
            for event in retold(response):
                yield event
            return
        seen = False
        try:
            async for raw in server_sent_events(answer.chunks(), max_event_bytes=_MAX_EVENT_BYTES):
                for event in _events(raw, answer, call, previews):
                    seen = True
                    if isinstance(event, Finished):
                        await answer.drain()
                        yield event
                        return
                    yield event
        except ConnectionFailedError as error:
            if not seen:
                raise
            raise _interrupted(call, answer) from error
        raise _interrupted(call, answer)


def retold(response: ImageResponse) -> Iterator[ImageEvent]:
    """A whole response as the events of a stream without previews."""
    for index, image in enumerate(response.images):
        yield ImageDone(image=image, index=index)
    yield Finished[ImageResponse](response=response)


def _interrupted(call: ImageCall, answer: StreamAnswer) -> StreamInterruptedError:
    return StreamInterruptedError(
        "The stream ended before the finished picture came.",
        provider=call.account.name,
        model=call.context.model,
        status=answer.status,
        request_id=request_id_of(answer.headers),
    )


def _events(
    raw: SSEEvent, answer: StreamAnswer, call: ImageCall, previews: int
) -> Iterator[ImageEvent]:
    event = _read(raw, answer, call)
    if event is None or event.b64_json is None:
        return
    data = decoded(event.b64_json, answer, call.account, call.context)
    image = picture(data, answer, call.account, call.context, event.output_format)
    if event.type.endswith(".partial_image"):
        yield ImagePreview(image=image, step=event.partial_image_index + 1, of=previews or None)
    elif event.type.endswith(".completed"):
        yield ImageDone(image=image)
        response = image_response(call, answer, (image,), event)
        response = response.replace(usage=_all_image_tokens(response.usage))
        yield Finished[ImageResponse](response=response)


def _read(raw: SSEEvent, answer: StreamAnswer, call: ImageCall) -> _Event | None:
    if raw.data in {b"", b"[DONE]"}:
        return None
    event = read_or_none(_Event, raw.data)
    if event is None:
        message = "An event of the stream cannot be read."
        raise call.account.invalid(message, answer, call.context)
    if event.error is not None or "error" in {event.type, raw.event}:
        raise call.account.error_inside(from_json(raw.data), call.context, answer.headers)
    return event


def _all_image_tokens(usage: Usage) -> Usage:
    """The output tokens of this event are image tokens (``types/image_gen_completed_event.py``)."""
    if usage.output_image_tokens is not None or usage.output_tokens is None:
        return usage
    return usage.model_copy(update={"output_image_tokens": usage.output_tokens})
