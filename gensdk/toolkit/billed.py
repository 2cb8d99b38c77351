"""Whether a call is paid for, where the request that failed cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gensdk.errors import Billed, GenSDKError

__all__ = ["billed"]


@contextmanager
def billed(word: Billed) -> Iterator[None]:
    """Say it of every error of a block.

    ::

        with billed("yes"):  # the work was done; only the file did not come
            media = await context.collect(URL(address))
    """
    try:
        yield
    except GenSDKError as error:
        error.billed = word
        raise
