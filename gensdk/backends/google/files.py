"""What Google made and keeps: fetched with the key at the account's own address, else without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gensdk.toolkit import billed
from gensdk.types import URL, Media

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["collected"]


async def collected(address: str, account: Account, context: Context) -> Media:
    """Fetch a result from its address, while Google keeps it (two days).

    The key goes to the account's own address and nowhere else: where the server points on from
    there, the guarded downloader goes without it. It is paid for, whatever becomes of the
    download.
    """
    with billed("yes"):
        if account.owns(address):
            found = await account.download(address, context)
            if isinstance(found, bytes):
                return Media(data=found)
            address = found
        return await context.collect(URL(address))
