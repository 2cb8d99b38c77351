"""A request to a provider behind the router, and what comes of it: at once, or out of a queue.

Asking a second time how queued work stands costs nothing and changes nothing. So a few looks may
fail in passing; the request itself is sent once.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gensdk.catalog.huggingface import QueueKind
from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    JobFailedError,
    OutcomeUnknownError,
    TimedOutError,
    TransientError,
)
from gensdk.spec import Context
from gensdk.toolkit import MAX_MEDIA_BYTES, Answer, Form, billed, json_in
from gensdk.types import URL, Media

from .account import Accounts
from .providers import Target
from .queues import Look, Ticket, addresses_in, look_at, ticket_in

__all__ = ["collected", "document_in", "files_in", "looked", "outcome", "sent", "told_seed"]

_SLOWER, _SLOWEST_S = 1.5, 5.0
_LONGEST_S = 1800.0
"""The clocks of the pipeline end a wait before that; Replicate itself gives up after 30 minutes."""
_LOOKS = 5
_MOST_FILES = 16
_STATUS = "/status"


async def sent(
    accounts: Accounts,
    target: Target,
    context: Context,
    *,
    body: dict[str, Any] | None = None,
    form: Form | None = None,
) -> Answer:
    """Send the request once."""
    return await accounts.router.send(
        "POST",
        target.path,
        context,
        payload=body,
        form=form,
        query=target.service.query,
        headers=target.service.headers,
        max_bytes=MAX_MEDIA_BYTES,
    )


async def outcome(
    accounts: Accounts, target: Target, answer: Answer, context: Context
) -> tuple[Answer, dict[str, Any]]:
    """The document with the outcome: the answer itself, or what its queue gives in the end.

    Raises:
        JobFailedError: The provider says that it failed.
        OutcomeUnknownError: It was taken on, but cannot be asked after.
        TimedOutError: It did not end within half an hour.
    """
    document = document_in(answer, accounts, context)
    kind = target.service.queue
    if kind is None:
        return answer, document
    look = look_at(kind, document)
    ticket = ticket_in(kind, document)
    if ticket is None and not look.ended:
        message = "The work was taken on, but its number cannot be read."
        raise accounts.router.invalid(message, answer, context)
    if ticket is not None and not look.ended:
        try:
            async with asyncio.timeout(_LONGEST_S):
                look, answer, document = await _waited(accounts, target, ticket, kind, context)
        except TimeoutError as error:
            raise TimedOutError(
                f"{target.provider} had not ended after {_LONGEST_S:g} s",
                phase="poll", billed="maybe", provider=accounts.name, model=context.model,
            ) from error  # fmt: skip
    if look.status != "succeeded":
        raise _failed(look, target, accounts, context)
    if kind == "fal" and ticket is not None:
        answer = await _patiently(accounts, target, ticket, context, "")
        document = document_in(answer, accounts, context)
    return answer, document


async def _waited(
    accounts: Accounts, target: Target, ticket: Ticket, kind: QueueKind, context: Context
) -> tuple[Look, Answer, dict[str, Any]]:
    """Look until the work has ended."""
    pause = accounts.poll_s
    while True:
        await asyncio.sleep(pause)
        pause = min(pause * _SLOWER, _SLOWEST_S)
        end = _STATUS if kind == "fal" else ""
        answer = await _patiently(accounts, target, ticket, context, end)
        document = document_in(answer, accounts, context)
        look = look_at(kind, document)
        if look.ended:
            return look, answer, document


async def _patiently(
    accounts: Accounts, target: Target, ticket: Ticket, context: Context, end: str
) -> Answer:
    """Ask after work that was taken on; what fails in passing is asked a few times more."""
    pause, failed = accounts.poll_s, 0
    while True:
        try:
            return await _ask(accounts, target, ticket, context, end)
        except TransientError as error:
            failed += 1
            if failed == _LOOKS:
                raise _out_of_sight(error, accounts, target, ticket, context) from error
        except (InvalidRequestError, ContentBlockedError) as error:
            error.billed = "maybe"  # what the work ended with
            raise
        except GenSDKError as error:
            raise _out_of_sight(error, accounts, target, ticket, context) from error
        await asyncio.sleep(pause)
        pause = min(pause * _SLOWER, _SLOWEST_S)


def _out_of_sight(
    error: GenSDKError, accounts: Accounts, target: Target, ticket: Ticket, context: Context
) -> OutcomeUnknownError:
    """The work goes on, whatever the look at it failed with: nobody is to ask for it again."""
    return OutcomeUnknownError(
        f"{target.provider} took the work on, but cannot be asked after it: {error.message}",
        provider=accounts.name,
        model=context.model,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        job_id=ticket.id,
    )


async def looked(
    accounts: Accounts, target: Target, ticket: Ticket, kind: QueueKind, context: Context
) -> Look:
    """Look once how the work stands."""
    answer = await _ask(accounts, target, ticket, context, _STATUS if kind == "fal" else "")
    return look_at(kind, document_in(answer, accounts, context))


async def _ask(
    accounts: Accounts, target: Target, ticket: Ticket, context: Context, end: str
) -> Answer:
    return await accounts.router.send(
        "GET",
        f"/{target.provider}{ticket.place}{end}",
        context,
        query=target.service.query,
    )


def _failed(look: Look, target: Target, accounts: Accounts, context: Context) -> GenSDKError:
    said = accounts.router.redact(look.message or f"it is {look.status}, and no reason is given")
    return JobFailedError(
        f"{target.provider} failed: {said}",
        provider=accounts.name, model=context.model, code=look.code, billed="maybe",
    )  # fmt: skip


# -------------------------------------------------------------------------------------- answers
def document_in(answer: Answer, accounts: Accounts, context: Context) -> dict[str, Any]:
    """The answer as a JSON object.

    Raises:
        InvalidResponseError: It is none.
    """
    found = json_in(answer.body)
    if not isinstance(found, dict):
        raise accounts.router.invalid("The answer is no JSON object.", answer, context)
    return found


async def files_in(
    document: dict[str, Any], answer: Answer, accounts: Accounts, context: Context, what: str
) -> tuple[Media, ...]:
    """The files of an answer: base64 inside it, or fetched from the addresses it gives.

    Raises:
        InvalidResponseError: It holds none.
    """
    rows = document.get("data")
    inside = [
        row["b64_json"]
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and isinstance(row.get("b64_json"), str)
    ]
    if inside:
        router = accounts.router
        return tuple([Media(data=router.decoded(text, answer, context)) for text in inside])
    addresses = addresses_in(document)
    if not addresses:
        raise accounts.router.invalid(f"The answer holds no {what}.", answer, context)
    return tuple([await collected(address, context) for address in addresses[:_MOST_FILES]])


def told_seed(document: dict[str, Any], sent: object) -> int | None:
    """The seed that the answer names, else the one that was sent."""
    for seed in (document.get("seed"), sent):
        if isinstance(seed, int) and not isinstance(seed, bool):
            return seed
    return None


async def collected(address: str, context: Context) -> Media:
    """Fetch what was made, by the guarded downloader and without the token. It is paid for."""
    with billed("yes"):
        return await context.collect(URL(address))
