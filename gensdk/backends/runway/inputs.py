"""Media on the way in: an address is handed on, bytes travel inside the body.

Sizes: docs.dev.runwayml.com, assets/inputs. Larger files need an address, or the vendor's uploads.
"""

from __future__ import annotations

import base64

from gensdk.catalog.runway import MAX_DATA_URI
from gensdk.errors import InvalidRequestError, RequestTooLargeError
from gensdk.spec import Context
from gensdk.types import URL, Media, MediaKind

__all__ = ["address_of"]

_HANDED_ON = ("https://", "runway://")


async def address_of(item: Media | URL, kind: MediaKind, field: str, context: Context) -> str:
    """What stands in the body for a picture, a video or a sound.

    Raises:
        InvalidRequestError: It is of another kind.
        RequestTooLargeError: It is too large to travel inside the body.
    """
    if isinstance(item, URL):
        if item.url.startswith(_HANDED_ON):
            return item.url
        item = await context.fetch(item)
    provider = context.provider or None
    if item.kind != kind:
        raise InvalidRequestError(
            f"{field} is {item.media_type}; give a file of type {kind}/…",
            provider=provider,
            model=context.model,
            param=field,
        )
    if len(item.data) > MAX_DATA_URI[kind]:
        raise RequestTooLargeError(
            f"{field} has {len(item.data)} bytes; up to {MAX_DATA_URI[kind]} travel inside a "
            "request. Give URL('https://…'), or URL('runway://…') of the vendor's uploads",
            provider=provider,
            model=context.model,
            param=field,
        )
    return f"data:{item.media_type};base64,{base64.b64encode(item.data).decode()}"
