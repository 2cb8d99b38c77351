"""Pictures over ``/images/generations`` and ``/images/edits``.

The wire: ``openai`` 3.52 ``types/image_generate_params.py``, ``types/image_edit_params.py``,
``types/images_response.py``; streams in ``images_stream``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from gensdk.spec import Context
from gensdk.types import ImageEvent, ImageRequest, ImageResponse

from .image_answers import whole_response
from .image_calls import prepare
from .images_stream import retold, stream_events

if TYPE_CHECKING:
    from .account import Account

__all__ = ["generate", "stream"]


async def generate(account: Account, request: ImageRequest, context: Context) -> ImageResponse:
    """Draw, or edit, and answer with the pictures."""
    call = await prepare(account, request, context)
    return await whole_response(call, await call.send())


async def stream(
    account: Account, request: ImageRequest, context: Context
) -> AsyncGenerator[ImageEvent]:
    """Draw, or edit, and yield previews, finished pictures and the whole response.

    What cannot be previewed (several pictures, GIF, SVG, a model without previews) comes as
    finished pictures alone, with a note.
    """
    call = await prepare(account, request, context)
    if call.streams:
        async with aclosing(stream_events(call)) as events:
            async for event in events:
                yield event
        return
    call.notes.adapt("stream", "this picture comes without previews", sent=False)
    for event in retold(await whole_response(call, await call.send())):
        yield event
