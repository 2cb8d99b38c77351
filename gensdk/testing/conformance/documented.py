"""Checks that each error which a provider documents is the error of its cause."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from gensdk.errors import Billed, GenSDKError
from gensdk.toolkit import ErrorRow

from .server import Fault
from .wire import Way, WireStage, failure

__all__ = ["Documented", "DocumentedError"]

_SERVER_SIDE = 500


@dataclass(frozen=True)
class DocumentedError:
    """A failed answer as the provider's documents have it, and what it is to become.

    Attributes:
        status: HTTP status.
        body: What is sent: text as it is, anything else as JSON.
        error: The class, and no subclass of it.
        code: ``error.code``; None is not looked at, and so below.
        param: ``error.param``.
        request_id: ``error.request_id``.
        retry_after: ``error.retry_after``.
        billed: ``error.billed``; None is ``"no"`` below status 500, and not looked at from there.
        headers: Headers of the answer.
    """

    status: int
    body: object
    error: type[GenSDKError]
    code: str | None = None
    param: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    billed: Billed | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Documented(WireStage):
    """The provider's own table of errors.

    Attributes:
        errors: Failed answers from the provider's documents.
        error_rows: The table by which the backend tells them apart. Every word in it has to
            occur in one of ``errors``, so that no row goes unproved.
    """

    errors: ClassVar[Sequence[DocumentedError]] = ()
    error_rows: ClassVar[Sequence[ErrorRow]] = ()

    def test_every_row_of_the_error_table_is_proved(self) -> None:
        """Each code, type and parameter of the table is in a documented answer."""
        said = " ".join(_text(one.body) for one in self.errors)
        words = {w for row in self.error_rows for w in (row.code, row.type, row.param) if w}
        unproved = sorted(word for word in words if json.dumps(word) not in said)
        assert not unproved, f"no documented error has {unproved}"

    def test_documented_errors_are_those_of_their_cause(self) -> None:
        """Class, status, code, parameter, request id, wait and price, after one request."""

        async def check() -> None:
            problems: list[str] = []
            for known in self.errors:
                fault = Fault(known.status, _text(known.body).encode(), headers=known.headers)
                async with self.at(fault) as (backend, server):
                    for way in self._paying(backend):
                        server.requests = 0
                        error = await failure(way.ask)
                        told = [*_differences(known, error)]
                        if server.requests != 1:
                            told.append(f"{server.requests} requests for one attempt")
                        problems += [f"{way.what}, {known.status} {known.body}: {t}" for t in told]
            assert not problems, "\n".join(problems)

        if self.errors:
            self.alone(check)

    def _paying(self, backend: object) -> list[Way]:
        """The first plain call, stream and start; the table is one for all abilities."""
        ways = [way for way in self.ways(backend) if way.pays]
        kinds = {way.what.split(" of ")[0] if " of " in way.what else "": way for way in ways}
        return list(kinds.values())


def _text(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def _differences(known: DocumentedError, error: BaseException | None) -> Iterator[str]:
    if type(error) is not known.error or not isinstance(error, GenSDKError):
        yield f"{error!r} is no {known.error.__name__}"
        return
    if error.status != known.status:
        yield f"status is {error.status}"
    for name in ("code", "param", "request_id", "retry_after"):
        wanted, found = getattr(known, name), getattr(error, name)
        if wanted is not None and wanted != found:
            yield f"{name} is {found!r}, not {wanted!r}"
    billed = known.billed or ("no" if known.status < _SERVER_SIDE else error.billed)
    if error.billed != billed:
        yield f"billed is {error.billed!r}"
