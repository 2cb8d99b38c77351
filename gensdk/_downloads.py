"""Addresses fetched for backends: what the user named, and what a provider made."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gensdk.errors import (
    ClientClosedError,
    GenSDKError,
    InvalidRequestError,
    RequestTooLargeError,
    ResponseTooLargeError,
    UnsafeURLError,
)
from gensdk.policy import Retry, Tokens, repeat_download
from gensdk.types import URL, Media

if TYPE_CHECKING:
    from gensdk.toolkit import Downloader, MediaPolicy

__all__ = ["Downloads"]

NOBODY = ""
"""Provider and model of an error that is neither's: the pipeline fills in only what is None."""


class Downloads:
    """The guarded downloader, loaded when something has to be fetched.

    A download that failed in passing is made again here, under the call's own ``Retry`` and an
    allowance that all downloads of a client share. So its last error is final: the pipeline
    neither sends the request once more for it nor moves on.
    """

    __slots__ = ("_downloader", "_policy", "_tokens")

    def __init__(self, policy: MediaPolicy | None) -> None:
        """Nothing is loaded or opened."""
        self._policy = policy
        self._tokens = Tokens()
        self._downloader: Downloader | None = None

    async def fetch(self, retry: Retry, deadline: float, url: URL) -> Media:
        """Download what the user gave as input.

        Raises:
            InvalidRequestError: It cannot be had; no provider is to blame.
            RequestTooLargeError: It is over ``MediaPolicy.max_bytes``.
            UnsafeURLError: It must not be fetched.
        """
        try:
            return await self.collect(retry, deadline, url)
        except ClientClosedError:
            raise
        except UnsafeURLError as error:
            error.provider = error.model = NOBODY
            raise
        except GenSDKError as error:
            large = isinstance(error, ResponseTooLargeError)
            kind = RequestTooLargeError if large else InvalidRequestError
            raise kind(
                f"the URL given as input could not be fetched: {error.message}",
                provider=NOBODY,
                model=NOBODY,
                status=error.status,
            ) from error

    async def collect(self, retry: Retry, deadline: float, url: URL) -> Media:
        """Download what a provider made; errors are the downloader's own.

        No try is waited for that would begin after ``deadline`` on the loop's clock.
        """
        if self._downloader is None:
            from gensdk.toolkit import Downloader

            self._downloader = Downloader(self._policy)
        work = partial(self._downloader.fetch, url)
        return await repeat_download(work, retry, self._tokens, deadline)

    async def aclose(self) -> None:
        """Refuse further downloads."""
        if self._downloader is not None:
            await self._downloader.aclose()
