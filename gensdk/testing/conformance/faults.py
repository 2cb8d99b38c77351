"""Checks of a hosted backend against a server that fails in every way there is."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping

from gensdk.errors import (
    AuthenticationError,
    ConnectionFailedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobExpiredError,
    JobFailedError,
    ModelNotFoundError,
    ModelRetiredError,
    OutcomeUnknownError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    StreamInterruptedError,
    TransientError,
)
from gensdk.types import Ability

from .server import Fault, FaultyServer, free_port
from .wire import WireStage, failure

__all__ = ["UNFINISHED", "Faults"]

NOT_FOUND = 404

STATUSES: Mapping[int, tuple[type[GenSDKError], ...]] = {
    400: (InvalidRequestError,),
    401: (AuthenticationError,),
    402: (QuotaExceededError,),
    403: (PermissionDeniedError, AuthenticationError),
    404: (ModelNotFoundError, ModelRetiredError, InvalidRequestError),
    408: (TransientError,),
    409: (TransientError,),
    413: (RequestTooLargeError,),
    418: (InvalidRequestError,),
    422: (InvalidRequestError,),
    429: (RateLimitError, QuotaExceededError),
    500: (ServerError,),
    502: (ServerError, TransientError),
    503: (OverloadedError, ServerError),
    504: (ServerError, TransientError),
    529: (OverloadedError,),
}
"""The classes that a status may mean where the body says nothing more."""

UNFINISHED = (
    ConnectionFailedError, InvalidResponseError, StreamInterruptedError, OutcomeUnknownError,
)  # fmt: skip
_RETRY_AFTER_S = 7.0


class Faults(WireStage):
    """Statuses, and answers that are none."""

    def test_every_status_has_its_error(self) -> None:
        """Class, status and price by the status alone, after one request, without the key."""

        async def check() -> None:
            problems: list[str] = []
            for status, classes in STATUSES.items():
                for body in self._bodies():
                    fault = Fault(status, body)
                    async with self.at(fault) as (backend, server):
                        for way in self.ways(backend):
                            server.requests = 0
                            error = await failure(way.ask)
                            allowed = classes
                            if not way.pays and status == NOT_FOUND:
                                allowed = (*allowed, JobExpiredError)
                            if way.fetches and issubclass(classes[0], InvalidRequestError):
                                allowed = (*allowed, JobFailedError)
                            told = self._wrong(error, status, allowed, server)
                            problems += [f"{way.what}, status {status}: {one}" for one in told]
            assert not problems, "\n".join(problems)

        self.alone(check)

    def test_the_provider_says_when_to_come_back(self) -> None:
        """``Retry-After`` is on the error."""

        async def check() -> None:
            for status in (429, 503):
                fault = Fault(status, b"{}", headers={"retry-after": f"{_RETRY_AFTER_S:g}"})
                async with self.at(fault) as (backend, _):
                    for way in self.ways(backend):
                        error = await failure(way.ask)
                        assert isinstance(error, GenSDKError), f"{way.what}: {error!r}"
                        assert error.retry_after == _RETRY_AFTER_S, (
                            f"{way.what}: {error.retry_after}"
                        )

        self.alone(check)

    def test_answers_that_are_none_are_errors(self) -> None:
        """Nothing, no JSON and a web page in place of an answer; they may have been paid for."""

        async def check() -> None:
            page = b"<!doctype html><title>Proxy</title>"
            faults = (
                Fault(),
                Fault(body=b"\0{not json"),
                Fault(body=page, content_type="text/html"),
            )
            for fault in faults:
                async with self.at(fault) as (backend, _):
                    for way in self.ways(backend, any_bytes=not fault.body):
                        error = await failure(way.ask)
                        if error is None and way.by_status:
                            continue
                        assert isinstance(error, UNFINISHED), f"{way.what}, {fault}: {error!r}"
                        free = way.pays and error.billed == "no"
                        assert not free, f"{way.what}, {fault}: billed is 'no'"

        self.alone(check)

    def test_answers_that_are_cut_are_errors(self) -> None:
        """The connection ends inside the body."""

        async def check() -> None:
            async with self.at(Fault(body=b'{"a": "', ending="cut")) as (backend, _):
                for way in self.ways(backend):
                    error = await failure(way.ask)
                    if error is None and way.by_status:
                        continue
                    assert isinstance(error, UNFINISHED), f"{way.what}: {error!r}"
                    free = way.pays and error.billed == "no"
                    assert not free, f"{way.what}: billed is 'no'"

        self.alone(check)

    def test_streams_that_are_cut_are_errors(self) -> None:
        """At whatever event: without its end a stream fails, after what had come."""

        async def check() -> None:
            for ability, body in self.stream_bodies.items():
                events = body.split(b"\n\n")
                for count in range(len(events) - 1):
                    part = b"\n\n".join(events[:count]) + b"\n\n" * bool(count)
                    await self._cut(ability, Fault(body=part, content_type="text/event-stream"))

        self.alone(check)

    def test_nobody_there_is_a_failed_connection(self) -> None:
        """And it costs nothing."""

        async def check() -> None:
            backend = self.backend_at(f"http://127.0.0.1:{free_port()}{self.base_path}")
            for way in self.ways(backend):
                error = await failure(way.ask)
                assert isinstance(error, ConnectionFailedError), f"{way.what}: {error!r}"
                assert error.billed == "no", f"{way.what}: billed is {error.billed!r}"
            await backend.aclose()

        self.alone(check)

    # ------------------------------------------------------------------------------ the inside
    async def _cut(self, ability: Ability, fault: Fault) -> None:
        async with self.at(fault) as (backend, _):
            error = await failure(lambda: self.hear(backend, ability))
            assert isinstance(error, UNFINISHED), f"{ability}, cut: {error!r}"
            assert error.billed != "no", f"{ability}, cut: billed is 'no'"

    def _bodies(self) -> Iterator[bytes]:
        said = f"no {self.secret or ''}"
        yield json.dumps({"error": {"message": said}}).encode()
        yield f"<html><title>{said}</title></html>".encode()
        yield b""

    def _wrong(
        self,
        error: BaseException | None,
        status: int,
        classes: tuple[type[GenSDKError], ...],
        server: FaultyServer,
    ) -> Iterator[str]:
        if not isinstance(error, classes):
            yield f"{error!r} is none of {[one.__name__ for one in classes]}"
            return
        if error.status != status:
            yield f"error.status is {error.status}"
        if server.requests != 1:
            yield f"{server.requests} requests for one attempt"
        shown = f"{error!s} {error!r} {vars(error)!r}"
        if self.secret and (self.secret in shown or self.secret.encode() in pickle.dumps(error)):
            yield "the error shows the key"
