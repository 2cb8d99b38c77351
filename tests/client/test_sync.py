"""The synchronous client: same verbs, one quiet thread, nothing left behind."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import gensdk
from gensdk.errors import ClientClosedError, ConfigurationError, ServerError, StreamInterruptedError
from gensdk.testing import Pause, ScriptedBackend
from gensdk.types import (
    ABILITIES,
    EmbedResponse,
    Finished,
    ImageResponse,
    Media,
    ModerationResponse,
    Request,
    SpeechResponse,
    TextDelta,
    TextRequest,
    TextResponse,
    TranscriptionResponse,
    Vectors,
)
from tests.support.scripts import MP3, PNG, QUICK, scripted

PICTURE = ImageResponse(images=(Media(data=PNG),))


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [one for one in set(threading.enumerate()) - before if one.name.startswith("gensdk")]
    assert left == []


def client_of(backend: ScriptedBackend, **settings: Any) -> gensdk.SyncClient:
    models = dict.fromkeys(ABILITIES, f"{backend.name}:m")
    defaults: dict[str, Any] = {"models": models, "backends": {backend.name: backend}}
    return gensdk.SyncClient(**(defaults | {"retry": QUICK} | settings))


class Gate:
    """A pause that may be waited for from another thread."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.cancelled = threading.Event()

    async def __call__(self) -> Any:
        self.reached.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Hanging(ScriptedBackend):
    """Never answers."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(name="a")
        self.gate = gate

    async def text(self, request: Any, context: Any) -> Any:
        return await self.gate()


def test_every_verb() -> None:
    backend = scripted(
        "hi", PICTURE, SpeechResponse(audio=Media(data=b"s")), TranscriptionResponse(text="t"),
        EmbedResponse(vectors=Vectors.of([[1.0]])), ModerationResponse(), "ran",
    )  # fmt: skip
    with client_of(backend) as client:
        assert client.text("x").text == "hi"
        assert client.image("x").images == PICTURE.images
        assert client.speech("x").audio.data == b"s"
        assert client.transcribe(MP3).text == "t"
        assert client.embed("x").vectors.tolist() == [[1.0]]
        assert client.moderate("x").flagged is False
        reply = client.run(TextRequest(prompt="x"))
        assert isinstance(reply, TextResponse)
        assert reply.text == "ran"
        assert client.capabilities("a:m").max_inputs is None
        assert threading.active_count() >= 2


def test_streams() -> None:
    backend = scripted(
        "a b", [TextDelta(text="x"), "c d"], [Finished(response=PICTURE)], "sound", "e f"
    )
    with client_of(backend) as client:
        with client.stream_text("x") as stream:
            assert list(stream.text) == ["a", " b"]
            assert stream.result().text == "a b"
            assert list(stream) == []
        with client.stream_text("x") as stream:
            assert [type(event).__name__ for event in stream][-1] == "Finished"
        with client.stream_image("x") as pictures:
            assert pictures.result().images == PICTURE.images
        with client.stream_speech("x") as sounds:
            assert b"".join(sounds.chunks) == b"sound"
        with client.stream(TextRequest(prompt="x")) as any_stream:
            assert any_stream.result().text == "e f"


def test_a_stream_left_early_and_a_broken_one() -> None:
    backend = scripted([TextDelta(text="a"), "b"], [TextDelta(text="a"), ServerError("x")])
    with client_of(backend) as client:
        with client.stream_text("x") as stream:
            assert next(iter(stream.text)) == "a"
        assert backend.closed == 1
        with pytest.raises(StreamInterruptedError):
            stream.result()
        with client.stream_text("x") as stream, pytest.raises(ServerError):
            list(stream)


def test_errors_are_the_same() -> None:
    client = client_of(scripted(ServerError("x"), repeat=True))
    with client, pytest.raises(ServerError) as caught:
        client.text("x")
    assert len(caught.value.attempts) == 3


def test_output_and_tools() -> None:
    class Recipe(BaseModel):
        title: str

    with client_of(scripted('{"title": "soup"}', '{"title": "cake"}')) as client:
        assert client.text("x", output=Recipe).output == Recipe(title="soup")
        with client.stream_text("x", output=Recipe) as stream:
            assert stream.result().output == Recipe(title="cake")


async def test_inside_a_running_loop() -> None:
    """As in a notebook: the caller's loop is neither patched nor nested."""
    with client_of(scripted("x")) as client:
        assert client.text("x").text == "x"
    assert asyncio.get_running_loop().is_running()


def test_from_many_threads() -> None:
    def echo(request: Request) -> str:
        assert isinstance(request, TextRequest)
        return str(request.prompt)

    words = [f"word-{number}" for number in range(40)]
    with (
        client_of(scripted(echo, repeat=True)) as client,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        assert [one.text for one in pool.map(client.text, words)] == words
        names = [one.name for one in threading.enumerate()]
        assert names.count("gensdk-sync") == 1


def test_map() -> None:
    requests = [TextRequest(prompt=str(number)) for number in range(5)]
    with client_of(
        scripted("a", "b", ServerError("x"), "d", "e"), retry=gensdk.Retry(attempts=1)
    ) as client:
        found = list(client.map(requests, concurrency=1, return_errors=True))
    assert [getattr(one, "text", one.__class__.__name__) for one in found] == [
        "a", "b", "ServerError", "d", "e",
    ]  # fmt: skip


def test_map_left_early_and_after_closing() -> None:
    client = client_of(scripted("a", repeat=True))
    answers = client.map([TextRequest(prompt="x")] * 9)
    next(answers)
    answers.close()
    answers = client.map([TextRequest(prompt="x")] * 9)
    next(answers)
    client.close()
    answers.close()
    with pytest.raises(ClientClosedError):
        list(client.map([TextRequest(prompt="x")]))


def test_interrupting_the_caller_cancels_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ctrl-C does: the wait in this thread is interrupted, the work over there ends."""
    gate = Gate()
    client = client_of(Hanging(gate))
    real = concurrent.futures.Future.result

    def interrupted(future: Any, timeout: float | None = None) -> Any:
        assert gate.reached.wait(5)
        monkeypatch.setattr(concurrent.futures.Future, "result", real)
        raise KeyboardInterrupt

    monkeypatch.setattr(concurrent.futures.Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.text("x")
    assert gate.cancelled.wait(5)
    client.close()


def test_a_call_cancelled_over_there_is_cancelled_here() -> None:
    client = client_of(scripted(asyncio.CancelledError()))
    with client, pytest.raises(concurrent.futures.CancelledError):
        client.text("x")


def test_closing_while_a_call_is_under_way() -> None:
    gate = Gate()
    client = client_of(Hanging(gate))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.text, "x")
        assert gate.reached.wait(5)
        client.close()
        with pytest.raises(ClientClosedError):
            waiting.result(5)
    assert gate.cancelled.is_set()


def test_closing_inside_the_block_of_a_stream() -> None:
    client = client_of(scripted([TextDelta(text="a"), Pause(), "b"]))
    with client.stream_text("x") as stream:
        next(iter(stream))
        client.close()
        with pytest.raises(ClientClosedError):
            next(iter(stream))


def test_closing_twice_and_using_after() -> None:
    client = client_of(scripted())
    client.close()
    client.close()
    with pytest.raises(ClientClosedError, match="SyncClient"):
        client.text("x")
    with pytest.raises(ClientClosedError), client.stream_text("x"):
        pytest.fail("it never opened")


def test_a_client_never_used_starts_no_thread() -> None:
    with client_of(scripted()):
        assert "gensdk-sync" not in [one.name for one in threading.enumerate()]


def test_its_own_hooks_and_tools_may_not_use_it() -> None:
    caught: list[BaseException] = []

    def hook(_: object) -> None:
        for use in (lambda: client.text("again"), client.close):
            try:
                use()
            except ConfigurationError as error:
                caught.append(error)

    client = client_of(scripted("x"), hooks=[hook])
    with client:
        assert client.text("x").text == "x"
    assert len(caught) == 6
    assert "hooks or tools" in str(caught[0])


def test_a_tool_in_a_thread_may_use_it() -> None:
    from gensdk.types import Candidate, ToolCallPart

    def ask_again(question: str) -> str:
        return client.text(question).text

    part = ToolCallPart(id="1", name="ask_again", arguments={"question": "inner"})
    first: TextResponse[Any] = TextResponse(candidates=(Candidate(parts=(part,)),))
    client = client_of(scripted(first, "inner answer", "done"))
    with client:
        reply = client.text("x", tools=[ask_again], max_steps=2)
    assert reply.text == "done"
    assert "inner answer" in str(reply.steps[-1])
