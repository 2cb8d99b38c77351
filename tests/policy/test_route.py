"""Routes: which errors move on, to which hop, and what the answer tells of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

import gensdk
from gensdk import Route
from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    LocalError,
    MissingCredentialsError,
    ModelLoadError,
    ModelNotDownloadedError,
    ModelNotFoundError,
    ModelRetiredError,
    OutcomeUnknownError,
    OutOfMemoryError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ResponseTooLargeError,
    RouteExhaustedError,
    ServerError,
    StreamInterruptedError,
    TimedOutError,
    TransientError,
    UnsafeURLError,
    UnsupportedFeatureError,
    WorkerCrashedError,
)
from gensdk.testing import say
from gensdk.types import EmbedResponse, ImageResponse, Media, Response, TextDelta, Vectors
from tests.support.scripts import ONCE, PNG, client_of, partial_of, scripted

AB = Route("a:m", "b:n")

Make = Callable[[], GenSDKError]
MOVES: list[Make] = [
    lambda: RateLimitError("x"),
    lambda: OverloadedError("x"),
    lambda: ServerError("x"),
    lambda: ConnectionFailedError("x"),
    lambda: TimedOutError("x", phase="connect"),
    lambda: TimedOutError("x", phase="attempt"),
    lambda: QuotaExceededError("x"),
    lambda: ModelNotFoundError("x"),
    lambda: ModelRetiredError("x"),
    lambda: InvalidResponseError("x"),
    lambda: ResponseTooLargeError("x"),
    lambda: StreamInterruptedError("x"),
    lambda: OutOfMemoryError("x"),
    lambda: ModelLoadError("x"),
    lambda: ModelNotDownloadedError("x"),
    lambda: WorkerCrashedError("x"),
    lambda: UnsupportedFeatureError("not here"),
]
STAYS: list[Make] = [
    lambda: InvalidRequestError("x"),
    lambda: ContextLengthError("x"),
    lambda: RequestTooLargeError("x"),
    lambda: UnsupportedFeatureError("the server says so", status=400),
    lambda: ContentBlockedError("x"),
    lambda: AuthenticationError("x"),
    lambda: PermissionDeniedError("x"),
    lambda: MissingCredentialsError("x"),
    lambda: ConfigurationError("x"),
    lambda: UnsafeURLError("x"),
    lambda: OutcomeUnknownError("x"),
]


def name_of(make: Make) -> str:
    return type(make()).__name__


@pytest.mark.parametrize("make", MOVES, ids=name_of)
async def test_moves_on(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    first, second = scripted(make()), scripted("from b", name="b")
    reply = await client_of(first, second, retry=ONCE).text("x", model=AB)
    assert (reply.text, reply.provider, reply.model) == ("from b", "b", "n")
    told = [(one.provider, one.model, one.error) for one in reply.attempts]
    assert told == [("a", "m", make().kind), ("b", "n", None)]
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.getMessage() == f"a:m failed ({make().kind}); trying b:n"


@pytest.mark.parametrize("make", STAYS, ids=name_of)
async def test_stays(make: Make) -> None:
    first, second = scripted(make()), scripted(name="b")
    with pytest.raises(type(make())) as caught:
        await client_of(first, second, retry=ONCE).text("x", model=AB)
    assert second.asked == []
    assert len(caught.value.attempts) == 1


async def test_a_hop_that_cannot_serve_the_request_is_told_as_skipped() -> None:
    first = scripted(UnsupportedFeatureError("no tools here", param="tools"))
    reply = await client_of(first, scripted("ok", name="b")).text("x", model=AB)
    skipped, answered = reply.attempts
    assert (skipped.outcome, skipped.error, skipped.billed) == (
        "skipped",
        "unsupported_feature",
        "no",
    )
    assert "no tools here" in str(skipped.message)
    assert answered.outcome == "ok"


async def test_an_unknown_outcome_moves_only_to_this_machine() -> None:
    """And over a hosted hop in between, which would be paid a second time."""
    lost = TimedOutError("x", phase="attempt", billed="maybe")
    answer = ImageResponse(images=(Media(data=PNG),))
    hosted, local = scripted(name="b"), scripted(answer, name="c", local=True)
    client = client_of(scripted(lost), hosted, local)
    reply = await client.image("x", model=["a:m", "b:m", "c:m"])
    assert (reply.provider, hosted.asked) == ("c", [])
    assert [one.error for one in reply.attempts] == ["outcome_unknown", None]
    with pytest.raises(OutcomeUnknownError):
        await client_of(scripted(lost), scripted(name="b")).image("x", model=AB)


async def test_retries_come_before_the_next_hop() -> None:
    first, second = scripted(*[ServerError("x")] * 3), scripted("ok", name="b")
    reply = await client_of(first, second).text("x", model=AB)
    assert [one.provider for one in reply.attempts] == ["a", "a", "a", "b"]
    assert len({asked.context.idempotency_key for asked in first.asked}) == 1
    assert first.asked[0].context.idempotency_key != second.asked[0].context.idempotency_key


async def test_when_all_fail_every_error_is_there() -> None:
    client = client_of(
        scripted(RateLimitError("slow", retry_after=1)),
        scripted(OutOfMemoryError("full"), name="b"),
    )
    with pytest.raises(RouteExhaustedError) as caught:
        await client.text("x", model=AB, retry=ONCE)
    error = caught.value
    assert [type(one) for one in error.exceptions] == [RateLimitError, OutOfMemoryError]
    assert [vars(one)["provider"] for one in error.exceptions] == ["a", "b"]
    assert [one.error for one in error.attempts] == ["rate_limit", "out_of_memory"]
    assert "a:m: rate_limit (slow); b:n: out_of_memory (full)" in str(error)


async def test_the_last_hop_may_end_it_with_an_error_that_moves_nowhere() -> None:
    client = client_of(scripted(ServerError("x")), scripted(AuthenticationError("key"), name="b"))
    with pytest.raises(AuthenticationError) as caught:
        await client.text("x", model=AB, retry=ONCE)
    assert [one.error for one in caught.value.attempts] == ["server", "authentication"]


async def test_a_single_model_raises_its_own_error() -> None:
    with pytest.raises(ServerError):
        await client_of(scripted(ServerError("x")), retry=ONCE).text("x", model=Route("a:m"))


@pytest.mark.parametrize(
    ("on", "make", "moves"),
    [
        ([AuthenticationError], lambda: AuthenticationError("x"), True),
        ([AuthenticationError], lambda: ServerError("x"), False),
        (AuthenticationError, lambda: AuthenticationError("x"), True),
        ((TransientError, LocalError), lambda: WorkerCrashedError("x"), True),
        ([], lambda: ServerError("x"), False),
        ([], lambda: UnsupportedFeatureError("found before sending"), True),
        (lambda error: error.status == 418, lambda: ServerError("x", status=418), True),
        (lambda error: error.status == 418, lambda: ServerError("x"), False),
        ([InvalidResponseError], lambda: UnsafeURLError("x"), False),
    ],
)
async def test_on_says_what_moves(on: Any, make: Make, moves: bool) -> None:
    first, second = scripted(make()), scripted(*["ok"] * moves, name="b")
    call = client_of(first, second, retry=ONCE).text("x", model=Route("a:m", "b:n", on=on))
    if moves:
        assert (await call).provider == "b"
    else:
        with pytest.raises(type(make())):
            await call


async def test_accept_refuses_an_answer() -> None:
    def accept(response: Response) -> bool:
        return getattr(response, "text", "") != "bad"

    facts: list[Any] = []
    route = Route("a:m", "b:n", accept=accept, on=[RateLimitError])
    client = client_of(scripted("bad"), scripted("good", name="b"), hooks=[facts.append])
    reply = await client.text("x", model=route)
    assert reply.text == "good"
    refused, answered = reply.attempts
    assert (refused.outcome, refused.error) == ("error", "invalid_response")
    assert answered.outcome == "ok"
    attempts = [fact for fact in facts if isinstance(fact, gensdk.AttemptFinished)]
    assert len(attempts) == 2, "each attempt is told once"


async def test_when_no_answer_is_accepted() -> None:
    route = Route("a:m", "b:n", accept=lambda _: False)
    client = client_of(scripted("bad"), scripted("bad", name="b", local=True))
    with pytest.raises(RouteExhaustedError) as caught:
        await client.text("x", model=route)
    assert [vars(one)["billed"] for one in caught.value.exceptions] == ["yes", "no"]
    with pytest.raises(InvalidResponseError, match="accept="):
        await client_of(scripted("bad")).text("x", model=Route("a:m", accept=lambda _: False))


async def test_an_exception_of_the_users_test_passes() -> None:
    def broken(_: Response) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await client_of(scripted("x")).text("x", model=Route("a:m", accept=broken))


async def test_a_route_has_its_own_retry_and_timeouts() -> None:
    route = Route("a:m", "b:n", retry=ONCE, timeouts=gensdk.Timeouts(connect=3.0))
    first, second = scripted(ServerError("x")), scripted("ok", name="b")
    await client_of(first, second).text("x", model=route)
    assert first.asked[0].context.connect_s == 3.0


async def test_a_call_overrules_the_route() -> None:
    route = Route("a:m", "b:n", retry=ONCE, timeouts=gensdk.Timeouts(connect=3.0))
    first = scripted(ServerError("x"), "ok")
    await client_of(first, scripted(name="b")).text(
        "x",
        model=route,
        retry=gensdk.Retry(base_s=0),
        timeouts=gensdk.Timeouts(connect=2.0),
    )
    assert first.asked[0].context.connect_s == 2.0


async def test_a_stream_moves_on_before_its_first_output() -> None:
    first, second = scripted([ServerError("x")]), scripted("from b", name="b")
    client = client_of(first, second, retry=ONCE)
    async with client.stream_text("x", model=AB) as stream:
        text = [piece async for piece in stream.text]
        reply = await stream.result()
    assert ("".join(text), reply.provider) == ("from b", "b")
    assert [one.error for one in reply.attempts] == ["server", None]


async def test_a_stream_does_not_move_on_after_it() -> None:
    first, second = scripted([TextDelta(text="a"), ServerError("x")]), scripted(name="b")
    async with client_of(first, second).stream_text("x", model=AB) as stream:
        with pytest.raises(ServerError) as caught:
            await stream.result()
    assert second.asked == []
    assert caught.value.partial == say("a", provider="a", model="m").replace(
        finish_reason="error", candidates=partial_of(caught.value).candidates
    )


async def test_a_model_that_cannot_do_it_at_all_is_left_out() -> None:
    first = scripted(name="a", abilities=frozenset({"text"}))
    second = scripted(ImageResponse(images=(Media(data=PNG),)), name="b")
    reply = await client_of(first, second).image("x", model=AB)
    assert reply.provider == "b"


# ---------------------------------------------------------------------------------- embeddings
async def test_vectors_of_different_models_are_not_mixed() -> None:
    first, second = scripted(), scripted(name="b")
    with pytest.raises(ConfigurationError, match="interchangeable=True"):
        await client_of(first, second).embed("x", model=AB)
    assert first.asked == []


@pytest.mark.parametrize("route", [Route("a:m", "b:m"), Route("a:m", "b:n", interchangeable=True)])
async def test_unless_they_are_the_same_or_said_to_be(route: Route) -> None:
    answer = EmbedResponse(vectors=Vectors.of([[1.0]]))
    client = client_of(scripted(ServerError("x")), scripted(answer, name="b"), retry=ONCE)
    assert (await client.embed("x", model=route)).provider == "b"


# ------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    "make",
    [
        lambda: Route(),
        lambda: Route(AB),
        lambda: Route(["a:m"]),
        lambda: Route("a:m", on=ValueError),  # type: ignore[arg-type]
        lambda: Route("a:m", on=[ValueError]),  # type: ignore[list-item]
        lambda: Route("a:m", on=["rate_limit"]),  # type: ignore[list-item]
        lambda: Route("a:m", on=5),  # type: ignore[arg-type]
    ],
)
def test_routes_that_make_no_sense(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_repr() -> None:
    assert repr(AB) == "Route('a:m', 'b:n')"
