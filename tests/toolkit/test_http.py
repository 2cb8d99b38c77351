"""The wire: what goes out, what comes back, and what is refused."""

from __future__ import annotations

import asyncio
import contextvars
import gzip
import threading
import zlib
from collections.abc import Mapping

import httpcore2
import pytest

from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    InvalidResponseError,
    ResponseTooLargeError,
)
from gensdk.spec import Context
from gensdk.toolkit import Form, FormFile, HTTPWire, Secret, server_sent_events
from gensdk.toolkit.headers import Headers
from gensdk.toolkit.sockets import AsyncioBackend
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
    answer_sse,
)

pytestmark = pytest.mark.usefixtures("each_transport")

CONTEXT = Context(model="m")
KEY = "sk-very-secret-1234567890"


def wire_to(server: LoopbackServer, path: str = "/v1", **settings: object) -> HTTPWire:
    given: dict[str, object] = {
        "headers": {"Authorization": f"Bearer {KEY}"},
        "provider": "acme",
        "secrets": (Secret(KEY),),
    }
    return HTTPWire(server.url + path, **(given | settings))  # type: ignore[arg-type]


async def test_sends_one_request_and_returns_the_whole_answer() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", answer_json({"a": 1}, headers={"X-Request-Id": "r1"}))
        wire = wire_to(server)
        answer = await wire.send("POST", "/x", CONTEXT, body=b'{"q":1}')
        await wire.aclose()
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert answer.headers["x-request-id"] == "r1"
    sent = server.requests[0]
    assert sent.json() == {"q": 1}
    assert sent.headers == {
        "host": server.url.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "user-agent": sent.headers["user-agent"],
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "content-length": "7",
    }
    assert sent.headers["user-agent"].startswith("gensdk")


async def test_calls_share_a_connection() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_json({}))
        wire = wire_to(server)
        for _ in range(5):
            await wire.send("GET", "/x", CONTEXT)
        assert server.connections == 1
        await wire.aclose()
        await server.closed_by_client()


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    async def echo(request: RecordedRequest, reply: Reply) -> None:
        await reply.bytes(request.body)

    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", echo)
        wire = wire_to(server)
        answers = await asyncio.gather(
            *(wire.send("POST", "/x", CONTEXT, body=b"%d" % n) for n in range(200))
        )
        await wire.aclose()
    assert [answer.body for answer in answers] == [b"%d" % n for n in range(200)]


async def test_large_bodies_travel_whole_both_ways() -> None:
    async def echo(request: RecordedRequest, reply: Reply) -> None:
        await reply.bytes(request.body)

    body = bytes(range(256)) * 16_384  # 4 MiB, over every buffer on the way
    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", echo)
        wire = wire_to(server)
        answer = await wire.send("POST", "/x", CONTEXT, body=body)
        await wire.aclose()
    assert answer.body == body


async def test_headers_are_asked_for_before_every_request_so_keys_can_rotate() -> None:
    keys = iter(["one", "two"])

    async def headers() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {next(keys)}"}

    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_json({}))
        wire = wire_to(server, headers=headers)
        for _ in range(2):
            await wire.send("GET", "/x", CONTEXT, headers={"X-Extra": " e "})
        await wire.aclose()
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer one", "Bearer two"]
    assert server.requests[0].headers["x-extra"] == "e"


async def test_a_function_may_change_the_headers_it_gave_before() -> None:
    given: dict[str, str] = {}

    async def headers() -> Mapping[str, str]:
        given["authorization"] = f"Bearer {len(server.requests)}"
        return given

    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_json({}))
        wire = wire_to(server, headers=headers)
        for _ in range(2):
            await wire.send("GET", "/x", CONTEXT)
        await wire.aclose()
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer 0", "Bearer 1"]


async def test_a_request_has_the_headers_it_was_given_whatever_is_checked_meanwhile() -> None:
    """Another thread asks while the first one's headers are being checked."""

    class Slow(str):
        """A value whose check another thread gets in between."""

        __slots__ = ()

        def isascii(self) -> bool:
            thread = threading.Thread(target=asyncio.run, args=(ask("two"),))
            thread.start()
            thread.join()
            return True

    keys: contextvars.ContextVar[str] = contextvars.ContextVar("keys")
    sent: dict[str, list[bytes]] = {}

    async def source() -> Mapping[str, str]:
        return {"authorization": keys.get()}

    async def ask(name: str, key: str | None = None) -> None:
        keys.set(key or name)
        complete = dict(await headers.complete({}, None, ""))
        sent.setdefault(name, []).append(complete[b"authorization"])

    headers = Headers(source, "host")
    await ask("one", Slow("one"))
    await ask("two")
    assert sent == {"one": [b"one"], "two": [b"two", b"two"]}


async def test_headers_of_the_call_win() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", answer_json({}))
        wire = wire_to(server)
        headers = {"content-type": "text/plain", "authorization": "Other"}
        await wire.send("POST", "/x", CONTEXT, body=b"t", headers=headers)
        await wire.aclose()
    assert server.requests[0].headers["content-type"] == "text/plain"
    assert server.requests[0].headers["authorization"] == "Other"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nb: c"),
        ("x", "\x00"),
        ("x", "schlüssel"),
        ("x y", "v"),
        ("", "v"),
        ("host", "evil"),
        ("Content-Length", "3"),
        ("transfer-encoding", "chunked"),
    ],
)
async def test_headers_that_cannot_be_sent_are_refused_without_showing_them(
    name: str, value: str
) -> None:
    value = f"{KEY}{value}" if name == "x" else value
    with pytest.raises(ConfigurationError) as caught:
        HTTPWire("http://127.0.0.1:1", headers={name: value}, provider="p")
    assert KEY not in str(caught.value)
    wire = HTTPWire("http://127.0.0.1:1", headers={}, provider="p")
    with pytest.raises(ConfigurationError):
        await wire.send("GET", "/x", CONTEXT, headers={name: value})


async def test_query_of_base_url_and_call_are_joined_and_encoded() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_json({}))
        wire = wire_to(server, "/v1/?api-version=2026-01-01&empty=")
        await wire.send("GET", "x", CONTEXT, query={"q": "a b&c=ü"})
        await wire.send("GET", "x", CONTEXT)
        await wire.aclose()
    assert server.requests[0].query == {"api-version": "2026-01-01", "empty": "", "q": "a b&c=ü"}
    assert server.requests[0].target == "/v1/x?api-version=2026-01-01&empty=&q=a%20b%26c%3D%C3%BC"
    assert server.requests[1].query == {"api-version": "2026-01-01", "empty": ""}


@pytest.mark.parametrize(
    ("base", "path", "target"),
    [
        ("", "/x", "/x"),
        ("", "", "/"),
        ("/", "x", "/x"),
        ("/v1/", "/x/y", "/v1/x/y"),
        ("/v1", "", "/v1"),
        ("/v1", "/m/a%2Fb:c@1", "/v1/m/a%2Fb:c@1"),
        ("/v1", "/ü", "/v1/%C3%BC"),
    ],
)
async def test_paths_are_appended_to_the_base_path(base: str, path: str, target: str) -> None:
    async with LoopbackServer() as server:
        server.on("GET", "*", answer_json({}))
        wire = wire_to(server, base)
        await wire.send("GET", path, CONTEXT)
        await wire.aclose()
    assert server.requests[0].target == target


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/x",
        "http://evil.example",
        "//evil.example/x",
        "/../x",
        "..",
        "/a/../../x",
        "/a/%2e%2e/x",
        "/./x",
        "/a\\..\\b",
        "/x\r\nHost: evil",
        "/x y",
        "/x\x00",
        "/%0d%0a",
        "/x?key=1",
        "/x#f",
        "javascript://x",
    ],
)
async def test_paths_that_could_leave_the_base_url_are_refused_before_sending(path: str) -> None:
    async with LoopbackServer() as server:
        wire = wire_to(server)
        with pytest.raises(InvalidRequestError):
            await wire.send("GET", path, CONTEXT)
    assert not server.requests
    assert not server.connections


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.example.com/v1",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user@example.com",
        "https://user:pass@example.com",
        "https://example.com/#f",
        "https://exa mple.com",
        "https://example.com:99999",
        "https://[::1",
        "https://example.com\\@evil.example",
        "https://" + "ü" * 100 + ".com",
    ],
)
def test_unusable_base_urls_are_configuration_errors(base_url: str) -> None:
    with pytest.raises(ConfigurationError):
        HTTPWire(base_url, headers={}, provider="p")


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://API.Example.com:443/v1", "https://api.example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        (" http://münchen.example/ ", "http://xn--mnchen-3ya.example"),
    ],
)
def test_origins_are_normalised_and_repr_shows_no_header(base_url: str, origin: str) -> None:
    wire = HTTPWire(base_url, headers={"authorization": KEY}, provider="p")
    assert repr(wire) == f"HTTPWire('p', '{origin}')"


async def test_forms_are_sent_as_multipart() -> None:
    form = Form(
        fields=(("model", "m"), ("tag[]", "a"), ("tag[]", 'b"\r\n')),
        files=(FormFile("file", 'a"b\r\n.mp3', b"\x00\xff\r\n--x", "audio/mpeg"),),
    )
    async with LoopbackServer() as server:
        server.on("POST", "/v1/f", answer_json({}))
        wire = wire_to(server)
        await wire.send("POST", "/f", CONTEXT, form=form)
        await wire.aclose()
    parts = server.requests[0].form()
    assert [(p.name, p.text) for p in parts[:3]] == [
        ("model", "m"),
        ("tag[]", "a"),
        ("tag[]", 'b"\r\n'),
    ]
    assert (parts[3].name, parts[3].filename) == ("file", "a%22b%0D%0A.mp3")
    assert (parts[3].content_type, parts[3].content) == ("audio/mpeg", b"\x00\xff\r\n--x")
    assert "xff" not in repr(form)


def test_a_form_file_with_a_forged_type_is_refused() -> None:
    form = Form(files=(FormFile("f", "n", b"", "audio/mpeg\r\nX: y"),))
    with pytest.raises(InvalidRequestError):
        form.encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_errors_and_never_followed(status: int) -> None:
    async with LoopbackServer() as server, LoopbackServer() as other:
        server.on("POST", "/v1/x", answer_error(status, "", {"location": other.url}))
        wire = wire_to(server)
        with pytest.raises(InvalidResponseError) as caught:
            await wire.send("POST", "/x", CONTEXT, body=b"{}")
        await wire.aclose()
    assert "redirect" in str(caught.value)
    assert (caught.value.status, caught.value.provider) == (status, "acme")
    assert caught.value.billed == "no"
    assert not other.requests
    assert len(server.requests) == 1


async def test_a_redirect_is_handed_back_to_who_asks_for_it() -> None:
    async with LoopbackServer() as server, LoopbackServer() as other:
        server.on("GET", "/v1/x", answer_error(302, "", {"location": other.url}))
        wire = wire_to(server)
        async with wire.stream("GET", "/x", CONTEXT, redirects="hand_back") as answer:
            assert (answer.status, answer.headers["location"]) == (302, other.url)
        await wire.aclose()
    assert not other.requests


async def test_cookies_are_not_kept() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_json({}, headers={"set-cookie": "a=b; Path=/"}))
        wire = wire_to(server)
        for _ in range(2):
            await wire.send("GET", "/x", CONTEXT)
        await wire.aclose()
    assert "cookie" not in server.requests[1].headers


async def test_the_status_is_not_judged() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_error(503, {"error": "busy"}))
        wire = wire_to(server)
        answer = await wire.send("GET", "/x", CONTEXT)
        await wire.aclose()
    assert (answer.status, answer.body) == (503, b'{"error": "busy"}')


def _zlib(data: bytes) -> bytes:
    return zlib.compress(data)


def _bare(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def _members(data: bytes) -> bytes:
    return gzip.compress(data[:10]) + gzip.compress(data[10:]) + b"\0\0"


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("identity, gzip", gzip.compress),
        ("gzip", _members),
        ("deflate", _zlib),
        ("deflate", _bare),
    ],
)
async def test_compressed_answers_are_decoded(coding: str, encode: object) -> None:
    data = b"hello " * 200_000
    body = encode(data)  # type: ignore[operator]
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_bytes(body, headers={"content-encoding": coding}))
        wire = wire_to(server)
        answer = await wire.send("GET", "/x", CONTEXT)
        await wire.aclose()
    assert answer.body == data


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"not gzip at all"),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9]),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:20] + b"\xff" * 50),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0) + b"garbage"),
        ("deflate", b"\xff\xff\xff"),
        ("br", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0)),
    ],
    ids=["plain", "cut", "broken", "more", "no-deflate", "br", "twice"],
)
async def test_damaged_or_unasked_codings_are_invalid_responses(coding: str, body: bytes) -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_bytes(body, headers={"content-encoding": coding}))
        wire = wire_to(server)
        with pytest.raises(InvalidResponseError) as caught:
            await wire.send("GET", "/x", CONTEXT)
        await wire.aclose()
    assert (caught.value.provider, caught.value.status) == ("acme", 200)


async def test_an_empty_compressed_body_is_empty() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_bytes(b"", headers={"content-encoding": "gzip"}))
        wire = wire_to(server)
        assert (await wire.send("GET", "/x", CONTEXT)).body == b""
        await wire.aclose()


async def test_an_answer_over_the_cap_is_cut_off_and_its_connection_closed() -> None:
    async def endless(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200)
        for _turn in range(10_000):
            await reply.chunk(b"x" * 10_000)

    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", endless)
        wire = wire_to(server)
        with pytest.raises(ResponseTooLargeError) as caught:
            await wire.send("GET", "/x", CONTEXT, max_bytes=100_000)
        await server.closed_by_client()
        await wire.aclose()
    assert "100000 bytes" in caught.value.message


async def test_a_declared_length_over_the_cap_is_refused_before_the_body() -> None:
    async def announce(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-length": "100001"})
        await server.closed_by_client()
        raise ConnectionResetError

    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", announce)
        wire = wire_to(server)
        with pytest.raises(ResponseTooLargeError):
            await wire.send("GET", "/x", CONTEXT, max_bytes=100_000)
        await wire.aclose()


@pytest.mark.parametrize("status", [200, 500])
async def test_a_decompression_bomb_stops_at_the_cap(status: int) -> None:
    import tracemalloc

    bomb = gzip.compress(b"\0" * (256 * 2**20), 1)
    headers = {"content-encoding": "gzip"}
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_bytes(bomb, "text/plain", status, headers))
        wire = wire_to(server)
        await wire.send("GET", "/x", CONTEXT) if status == 500 else None  # warm imports
        tracemalloc.start()
        try:
            if status == 200:
                with pytest.raises(ResponseTooLargeError):
                    await wire.send("GET", "/x", CONTEXT, max_bytes=2**20)
            else:
                assert len((await wire.send("GET", "/x", CONTEXT)).body) == 64 * 2**10
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await wire.aclose()
    assert peak < 16 * 2**20


async def test_error_bodies_keep_their_first_64_kib() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/x", answer_bytes(b"e" * 200_000, status=400))
        wire = wire_to(server)
        answer = await wire.send("GET", "/x", CONTEXT)
        await server.closed_by_client()
        await wire.aclose()
    assert answer.body == b"e" * 65_536


async def test_streams_yield_as_bytes_arrive_and_give_the_connection_back() -> None:
    go_on = asyncio.Event()

    async def drip(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        await reply.event({"n": 1})
        await go_on.wait()
        await reply.event({"n": 2}, "named")
        await reply.end()

    async with LoopbackServer() as server:
        server.on("POST", "/v1/s", drip)
        wire = wire_to(server)
        seen = []
        async with wire.stream("POST", "/s", CONTEXT, body=b"{}") as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            async for event in server_sent_events(answer.chunks()):
                seen.append((event.event, event.data))
                go_on.set()
        await wire.send("POST", "/s", CONTEXT)
        assert server.connections == 1
        await wire.aclose()
    assert seen == [("", b'{"n": 1}'), ("named", b'{"n": 2}')]


async def test_compressed_streams_are_decoded_piece_by_piece() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        engine = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        await reply.start(200, {"content-encoding": "gzip"})
        await reply.chunk(engine.compress(b"data: 1\n\n") + engine.flush(zlib.Z_SYNC_FLUSH))
        await first.wait()
        await reply.chunk(engine.compress(b"data: 2\n\n") + engine.flush())
        await reply.end()

    first = asyncio.Event()
    async with LoopbackServer() as server:
        server.on("GET", "/v1/s", handler)
        wire = wire_to(server)
        seen = []
        async with wire.stream("GET", "/s", CONTEXT) as answer:
            async for event in server_sent_events(answer.chunks()):
                seen.append(event.data)
                first.set()
        await wire.aclose()
    assert seen == [b"1", b"2"]


async def test_a_stream_can_be_capped() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/s", answer_bytes(b"x" * 1001))
        wire = wire_to(server)
        async with wire.stream("GET", "/s", CONTEXT, max_bytes=1000) as answer:
            with pytest.raises(ResponseTooLargeError):
                [chunk async for chunk in answer.chunks()]
        async with wire.stream("GET", "/s", CONTEXT, max_bytes=1001) as answer:
            assert b"".join([chunk async for chunk in answer.chunks()]) == b"x" * 1001
        await wire.aclose()


async def test_leaving_a_stream_early_closes_the_connection() -> None:
    async with LoopbackServer() as server:
        never = asyncio.Event()

        async def hang(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200)
            await reply.chunk(b"a")
            await never.wait()

        server.on("GET", "/v1/s", hang)
        wire = wire_to(server)
        async with wire.stream("GET", "/s", CONTEXT) as answer:
            async for chunk in answer.chunks():
                assert chunk == b"a"
                break
        await server.closed_by_client()
        assert server.open_connections == 0
        await wire.aclose()


@pytest.mark.parametrize("part", ["headers", "body"])
async def test_cancelling_closes_the_connection(part: str) -> None:
    async with LoopbackServer() as server:
        started, never = asyncio.Event(), asyncio.Event()

        async def hang(_: RecordedRequest, reply: Reply) -> None:
            if part == "body":
                await reply.start(200)
                await reply.chunk(b"a")
            started.set()
            await never.wait()

        server.on("POST", "/v1/x", hang)
        wire = wire_to(server)
        task = asyncio.create_task(wire.send("POST", "/x", CONTEXT, body=b"{}"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.closed_by_client()
        await wire.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_errors_of_the_block_pass_through_and_close_the_stream() -> None:
    async with LoopbackServer() as server:
        server.on("GET", "/v1/s", answer_sse([(None, "x" * 100_000)] * 20))
        wire = wire_to(server)
        with pytest.raises(ZeroDivisionError):
            async with wire.stream("GET", "/s", CONTEXT):
                raise ZeroDivisionError
        await server.closed_by_client()
        await wire.aclose()


async def test_a_closed_wire_says_so_and_closing_twice_is_fine() -> None:
    wire = HTTPWire("http://127.0.0.1:1", headers={}, provider="p")
    await wire.aclose()
    await wire.aclose()
    with pytest.raises(ClientClosedError):
        await wire.send("GET", "/x", CONTEXT)


@pytest.mark.parametrize("turns", range(8))
async def test_closing_ends_calls_under_way_and_leaves_no_connection(turns: int) -> None:
    async with LoopbackServer() as server:
        never = asyncio.Event()

        async def silent(_: RecordedRequest, __: Reply) -> None:
            await never.wait()

        server.on("POST", "/v1/x", silent)
        wire = wire_to(server)
        task = asyncio.create_task(wire.send("POST", "/x", CONTEXT, body=b"{}"))
        for _ in range(turns):
            await asyncio.sleep(0)  # before, while and after the connection is made
        await wire.aclose()
        with pytest.raises(ClientClosedError) as caught:
            await asyncio.wait_for(task, 5)
        if server.connections:
            await server.closed_by_client(server.connections)
        assert not caught.value.retryable
        with pytest.raises(ClientClosedError):
            await wire.send("POST", "/x", CONTEXT, body=b"{}")
    assert server.open_connections == 0


async def test_closed_sockets_open_no_connection() -> None:
    async with LoopbackServer() as server:
        sockets = AsyncioBackend()
        await sockets.close()
        with pytest.raises(httpcore2.ConnectError):
            await sockets.connect_tcp("127.0.0.1", server.port)
    assert server.connections == 0


async def test_closing_in_the_middle_of_an_answer() -> None:
    async with LoopbackServer() as server:

        async def half(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200)
            await reply.chunk(b"half")
            await server.closed_by_client()

        server.on("POST", "/v1/x", half)
        wire = wire_to(server)
        with pytest.raises(ClientClosedError, match="under way") as caught:
            async with wire.stream("POST", "/x", CONTEXT, body=b"{}") as answer:
                async for piece in answer.chunks():
                    assert piece == b"half"
                    await wire.aclose()
        assert (caught.value.billed, caught.value.status) == ("maybe", 200)


async def test_what_follows_the_end_is_read_so_that_the_connection_is_kept() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", answer_bytes(b"a" * 200_000))
        wire = wire_to(server)
        for _ in range(2):
            async with wire.stream("POST", "/x", CONTEXT, body=b"{}") as answer:
                await anext(answer.chunks())
                await answer.drain()
        await wire.aclose()
    assert server.connections == 1


def test_files_and_fields_that_are_no_unicode() -> None:
    content = Form(files=(FormFile("file", "caf\udce9.wav", b"RIFF", "audio/wav"),)).encode()[1]
    assert b'filename="caf?.wav"' in content
    with pytest.raises(InvalidRequestError, match="'prompt'"):
        Form(fields=(("prompt", "a\ud800b"),)).encode()


async def test_an_answer_cannot_be_read_after_its_block() -> None:
    """It would look like a body that ended where it did not."""
    async with LoopbackServer() as server:
        server.on("GET", "/v1/s", answer_bytes(b"x" * 100_000))
        wire = wire_to(server)
        async with wire.stream("GET", "/s", CONTEXT) as answer:
            chunks = answer.chunks()
            await anext(chunks)
        with pytest.raises(ClientClosedError):
            await anext(chunks)
        await wire.aclose()


async def test_a_slow_reader_makes_the_server_wait_and_loses_nothing() -> None:
    sent = 0

    async def flood(_: RecordedRequest, reply: Reply) -> None:
        nonlocal sent
        await reply.start(200)
        for n in range(400):
            await reply.chunk(bytes([n % 256]) * 50_000)
            sent += 1
        await reply.end()

    async with LoopbackServer() as server:
        server.on("GET", "/v1/s", flood)
        wire = wire_to(server)
        async with wire.stream("GET", "/s", CONTEXT) as answer:
            chunks = answer.chunks()
            received = len(await anext(chunks))
            for _turn in range(200):
                await asyncio.sleep(0)
            assert sent < 400  # the socket's buffers are full, and ours did not grow instead
            async for chunk in chunks:
                received += len(chunk)
        assert server.connections == 1
        await wire.aclose()
    assert received == 400 * 50_000


def test_collections_of_headers_do_not_show_them() -> None:
    from gensdk.toolkit.headers import QuietHeaders, QuietPairs

    assert repr(QuietHeaders({b"a": b"key"})) == "<1 headers>"
    assert repr(QuietPairs([(b"a", b"key")])) == "<1 headers>"
