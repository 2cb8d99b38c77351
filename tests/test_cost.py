"""What a call, a piece of a stream and a batch of vectors cost, held to recorded numbers.

Counted are calls of functions in gensdk, and of C functions from there: no clock, so the numbers
are the same on any machine, and a loop or a layer too many shows at once. They say nothing of the
libraries below, and little of what a single C function costs; ``benchmarks/`` measures that.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from array import array
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import gensdk
from gensdk.backends.openai import OpenAIBackend

RECORDED = {
    "httpx2": {"text": 454, "piece": 44, "embed": 1260},
    "aiohttp": {"text": 429, "piece": 44, "embed": 1237},
}
"""Calls of functions for one call, one piece of a stream, one batch; CPython 3.11."""
SLACK = 1.1
HERE = f"{Path(gensdk.__file__).parent}/"
MODEL = "openai:gpt-bench"
CALLS = 5
SHORT, LONG = 100, 500

HEADERS = {
    "openai-processing-ms": "12",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "6ms",
    "x-request-id": "req_0123456789abcdef",
    "set-cookie": "__cf_bm=abc; path=/; HttpOnly; Secure",
}
USAGE = {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80}


def reply(body: bytes, content_type: str = "application/json") -> bytes:
    """A whole HTTP answer."""
    lines = {**HEADERS, "content-type": content_type, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body


def chat() -> bytes:
    """A chat completion."""
    message = {"role": "assistant", "content": "The quick brown fox.", "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "model": "gpt-bench", "choices": [choice], "usage": USAGE}
    return reply(json.dumps(body).encode())


def stream(pieces: int) -> bytes:
    """A stream of so many pieces, all at once."""
    said: tuple[dict[str, str], str | None] = ({"content": "word "}, None)
    deltas = [*[said] * pieces, ({}, "stop")]
    bodies: list[dict[str, object]] = [
        {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": why}]}
        for delta, why in deltas
    ]
    bodies.append({"id": "c1", "model": "m", "choices": [], "usage": USAGE})
    events = "".join(f"data: {json.dumps(body)}\n\n" for body in bodies)
    return reply(f"{events}data: [DONE]\n\n".encode(), "text/event-stream")


def vectors() -> bytes:
    """64 vectors of 8 numbers."""
    row = b64encode(array("f", [0.5] * 8).tobytes()).decode()
    data = [{"object": "embedding", "index": index, "embedding": row} for index in range(64)]
    body = {"data": data, "model": "gpt-bench", "usage": {"prompt_tokens": 64}}
    return reply(json.dumps(body).encode())


@contextmanager
def serving(answer: bytes) -> Iterator[str]:
    """A server in a thread of its own, whose work is not counted; it says the same every time."""

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as said:
            while line := said.readline():
                length = 0
                while line.strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                    line = said.readline()
                said.read(length)
                connection.sendall(answer)

    def listen() -> None:
        while True:
            try:
                talk(server.accept()[0])
            except OSError:  # it was closed
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


class Counted:
    """Counts the calls of functions in gensdk, and from there, while it is entered."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __enter__(self) -> Counted:
        sys.setprofile(self._take)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _take(self, frame: FrameType, event: str, called: object) -> None:
        code = frame.f_code
        if event in {"call", "c_call"} and code.co_filename.startswith(HERE):
            place = f"{code.co_filename.removeprefix(HERE)}:{code.co_qualname}"
            self.calls[place if event == "call" else f"{place} -> {called!r:.60}"] += 1


Work = Callable[[gensdk.Client], Awaitable[None]]


async def text(client: gensdk.Client) -> None:
    """One happy call."""
    answer = await client.text("Hello", model=MODEL, temperature=0.7, max_tokens=100)
    assert answer.text == "The quick brown fox."
    assert answer.attempts


async def streamed(client: gensdk.Client) -> None:
    """One happy stream."""
    async with client.stream_text("Hello", model=MODEL) as events:
        async for piece in events.text:
            assert piece == "word "
        assert (await events.result()).usage.total_tokens == 80


async def embed(client: gensdk.Client) -> None:
    """One batch of vectors."""
    answer = await client.embed(["text"] * 64, model=MODEL)
    assert len(answer.vectors) == 64


async def counted(answer: bytes, work: Work, transport: str) -> Counter[str]:
    """What a work takes once everything is warm, summed over ``CALLS`` times."""
    with serving(answer) as url:
        account = OpenAIBackend(
            api_key="sk-test", base_url=url, protocol="chat", http_client=transport
        )
        async with gensdk.Client(backends={"openai": account}) as client:
            for _ in range(3):
                await work(client)
            with Counted() as seen:
                for _ in range(CALLS):
                    await work(client)
        await account.aclose()
        await asyncio.sleep(0)
    return seen.calls


def check(what: str, transport: str, calls: Counter[str], share: float) -> None:
    """Compare with the recorded number, and say where to look where it is exceeded."""
    found, recorded = sum(calls.values()) / share, RECORDED[transport][what]
    print(f"{transport} {what}: {found:.1f}, recorded {recorded}")
    if found <= recorded * SLACK:
        return
    most = "\n".join(f"{count / share:8.1f}  {name}" for name, count in calls.most_common(25))
    pytest.fail(
        f"{what!r} over {transport} takes {found:.1f} calls of functions in gensdk; "
        f"{recorded} were recorded in {Path(__file__).name}, and {SLACK:.0%} of that are allowed.\n"
        "Every call of an application pays for it. The functions that were called most are below; "
        "`python benchmarks/policies.py --profile 'default policies'` and `python "
        "benchmarks/remote.py --only call stream embed --rounds 1` show the time. Where the work "
        f"is wanted, record the new number and say why in docs/performance.md.\n{most}"
    )


TRANSPORTS = pytest.mark.parametrize("transport", list(RECORDED))


@TRANSPORTS
async def test_a_call_makes_no_more_calls_of_functions_than_recorded(transport: str) -> None:
    check("text", transport, await counted(chat(), text, transport), CALLS)


@TRANSPORTS
async def test_a_piece_of_a_stream_makes_no_more_than_recorded(transport: str) -> None:
    short = await counted(stream(SHORT), streamed, transport)
    long = await counted(stream(LONG), streamed, transport)
    check("piece", transport, long - short, CALLS * (LONG - SHORT))


@TRANSPORTS
async def test_a_batch_of_vectors_makes_no_more_than_recorded(transport: str) -> None:
    check("embed", transport, await counted(vectors(), embed, transport), CALLS)


async def test_the_gate_notices_a_layer_too_many() -> None:
    calls = await counted(chat(), text, "httpx2")
    worse = Counter({name: count * 2 for name, count in calls.items()})
    with pytest.raises(pytest.fail.Exception, match="record the new number"):
        check("text", "httpx2", worse, CALLS)
