"""Streams as the user holds them: read, left, broken, misused."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest
from pydantic import BaseModel

import gensdk
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    OutputValidationError,
    ServerError,
    StreamInterruptedError,
)
from gensdk.testing import Pause, say
from gensdk.types import (
    AudioChunk,
    Finished,
    ImageDone,
    ImagePreview,
    ImageRequest,
    ImageResponse,
    Media,
    ReasoningDelta,
    SpeechRequest,
    TextDelta,
    TextRequest,
    TextResponse,
    ToolCallDelta,
    ToolCallPart,
)
from tests.support.scripts import MP3, PNG, client_of, nothing_left, partial_of, scripted

HALF = TextDelta(text="half")


async def test_text_events_and_result() -> None:
    async with client_of(scripted("one two three")).stream_text("x") as stream:
        pieces = [piece async for piece in stream.text]
        reply = await stream.result()
        assert await stream.result() is reply
        assert [event async for event in stream] == []
    assert pieces == ["one", " two", " three"]
    assert (reply.text, reply.provider, reply.finish_reason) == ("one two three", "a", "stop")
    assert await stream.result() is reply, "after the block too"
    nothing_left()


async def test_events_are_typed_and_the_last_holds_the_whole() -> None:
    script = [
        ReasoningDelta(text="hm"),
        TextDelta(text="b", index=1),
        HALF,
        TextDelta(text=""),
        "x",
    ]
    async with client_of(scripted(script)).stream_text("x") as stream:
        events = [event async for event in stream]
    assert [type(event).__name__ for event in events] == [
        "ReasoningDelta", "TextDelta", "TextDelta", "TextDelta", "TextDelta", "Finished",
    ]  # fmt: skip
    assert isinstance(events[-1], Finished)
    assert events[-1].response.attempts[0].outcome == "ok"


async def test_text_is_the_first_candidates_and_goes_on_where_it_stopped() -> None:
    script = [
        ReasoningDelta(text="hm"),
        TextDelta(text="b", index=1),
        HALF,
        TextDelta(text=""),
        "x y",
    ]
    async with client_of(scripted(script)).stream_text("x") as stream:
        async for piece in stream.text:
            assert piece == "half"
            break
        assert [piece async for piece in stream.text] == ["x", " y"]


async def test_a_stream_of_nothing_but_its_end() -> None:
    async with client_of(scripted([Finished(response=say("x"))])).stream_text("x") as stream:
        assert (await stream.result()).text == "x"


async def test_leaving_early_closes_the_backend() -> None:
    backend = scripted([HALF, Pause(), "never"])
    async with client_of(backend).stream_text("x") as stream:
        async for _ in stream:
            break
    assert backend.closed == 1
    with pytest.raises(StreamInterruptedError):
        await stream.result()
    with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
        await stream.result()
    assert partial_of(caught.value).text == "half"
    with pytest.raises(StreamInterruptedError):
        await anext(stream)
    nothing_left()


async def test_an_exception_of_the_reader_passes_and_closes() -> None:
    backend = scripted([HALF, "never"])
    with pytest.raises(ZeroDivisionError):
        async with client_of(backend).stream_text("x") as stream:
            async for _ in stream:
                raise ZeroDivisionError
    assert backend.closed == 1
    nothing_left()


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (ServerError("x"), ServerError),
        (None, StreamInterruptedError),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
async def test_a_broken_stream_raises_from_everywhere(end: Any, kind: type[Exception]) -> None:
    backend = scripted([HALF, TextDelta(text=" way"), *([end] if end else [])])
    async with client_of(backend).stream_text("x") as stream:
        pieces = []
        with pytest.raises(kind) as caught:
            async for piece in stream.text:
                pieces.append(piece)  # noqa: PERF401  # what came before the error counts
        for again in (stream.result, lambda: anext(stream)):
            with pytest.raises(kind):
                await again()
    assert pieces == ["half", " way"]
    error = caught.value
    if isinstance(error, gensdk.GenSDKError):
        assert isinstance(error.partial, TextResponse)
        assert (error.partial.text, error.partial.finish_reason) == ("half way", "error")
        assert [one.outcome for one in error.attempts] == ["error"]
        assert (error.provider, error.model) == ("a", "m")
    nothing_left()


async def test_a_backends_own_partial_is_kept() -> None:
    whole = say("more than the deltas tell")
    backend = scripted([HALF, StreamInterruptedError("x", partial=whole)])
    async with client_of(backend).stream_text("x") as stream:
        with pytest.raises(StreamInterruptedError) as caught:
            await stream.result()
    assert caught.value.partial is whole


async def test_partials_of_pictures_sounds_and_calls() -> None:
    done, preview = ImageDone(image=Media(data=PNG)), ImagePreview(image=Media(data=PNG))
    calls = [ToolCallDelta(call=0, id="1", name="f", arguments='{"a"')]
    async with client_of(scripted([preview, done])).stream_image("x") as pictures:
        with pytest.raises(StreamInterruptedError) as caught:
            await pictures.result()
        assert partial_of(caught.value).images == (Media(data=PNG),)
    async with client_of(scripted([preview])).stream_image("x") as pictures:
        with pytest.raises(StreamInterruptedError) as caught:
            await pictures.result()
        assert caught.value.partial is None
    async with client_of(scripted([AudioChunk(data=MP3)])).stream_speech("x") as sounds:
        with pytest.raises(StreamInterruptedError) as caught:
            await sounds.result()
        assert partial_of(caught.value).audio == Media(data=MP3)
    async with client_of(scripted(calls)).stream_text("x") as stream:
        with pytest.raises(StreamInterruptedError) as caught:
            await stream.result()
        assert partial_of(caught.value).tool_calls == (
            ToolCallPart(id="1", name="f", malformed='{"a"'),
        )


async def test_cancelling_one_wait_ends_the_stream() -> None:
    pause = Pause()
    backend = scripted([HALF, pause, "never"])
    async with client_of(backend).stream_text("x") as stream:
        await anext(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(stream)
        with pytest.raises(StreamInterruptedError):
            await stream.result()
    assert pause.cancelled
    nothing_left()


async def test_other_kinds_of_streams() -> None:
    preview = ImagePreview(image=Media(data=PNG), step=1, of=4)
    picture: Finished[ImageResponse] = Finished(response=ImageResponse(images=(Media(data=PNG),)))
    async with client_of(scripted([preview, picture])).stream_image("x") as pictures:
        events = [event async for event in pictures]
    assert [type(event) for event in events] == [ImagePreview, Finished]
    async with client_of(scripted("sound")).stream_speech("x") as sounds:
        chunks = [chunk async for chunk in sounds.chunks]
        assert b"".join(chunks) == (await sounds.result()).audio.data == b"sound"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (TextRequest(prompt="x"), "TextStream"),
        (SpeechRequest(text="x"), "AudioStream"),
        (ImageRequest(prompt="x"), "Stream"),
    ],
)
async def test_request_objects_can_be_streamed(request_: Any, kind: str) -> None:
    answer: Finished[ImageResponse] = Finished(response=ImageResponse(images=(Media(data=PNG),)))
    backend = scripted([answer] if kind == "Stream" else "x")
    stream = client_of(backend).stream(request_, timeouts=5.0)
    assert type(stream).__name__ == kind
    async with stream:
        assert (await stream.result()).provider == "a"


# -------------------------------------------------------------------------------------- misuse
async def test_a_stream_is_opened_by_its_block_and_once() -> None:
    backend = scripted("a b", "c")
    stream = client_of(backend).stream_text("x")
    for use in (stream.result, lambda: anext(stream)):
        with pytest.raises(ConfigurationError, match="async with"):
            await use()
    assert backend.asked == [], "nothing is sent before"
    async with stream:
        with pytest.raises(ConfigurationError, match="used once"):
            await stream.__aenter__()
        await stream.result()
    with pytest.raises(ConfigurationError, match="used once"):
        await stream.__aenter__()


async def test_a_stream_never_closed_complains() -> None:
    client = client_of(scripted([HALF, "x"]))
    stream = client.stream_text("x")
    await stream.__aenter__()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del stream
        gc.collect()
    assert [str(one.message) for one in caught if one.category is ResourceWarning] == [
        "TextStream was not closed; use 'async with'"
    ]
    await asyncio.sleep(0)


async def test_a_stream_never_opened_does_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client_of(scripted()).stream_text("x")
        gc.collect()


async def test_a_failed_opening_closes_by_itself() -> None:
    stream = client_of(scripted(ServerError("x"), repeat=True)).stream_text("x")
    with pytest.raises(ServerError):
        await stream.__aenter__()
    del stream
    gc.collect()


async def test_a_closed_client_opens_none() -> None:
    client = client_of(scripted("x"))
    stream = client.stream_text("x")
    await client.aclose()
    with pytest.raises(ClientClosedError):
        async with stream:
            pytest.fail("it never opened")


async def test_an_iterator_that_cannot_be_closed_is_fine() -> None:
    class Events:
        """A backend's stream that is no generator."""

        def __init__(self) -> None:
            self.left: list[Any] = [HALF, Finished(response=say("half"))]

        def __aiter__(self) -> Events:
            return self

        async def __anext__(self) -> Any:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    backend = scripted()
    backend.stream_text = lambda request, context: Events()  # type: ignore[method-assign]
    async with client_of(backend).stream_text("x") as stream:
        assert (await stream.result()).text == "half"


# ------------------------------------------------------------------------------ with an output
class Recipe(BaseModel):
    title: str


async def test_a_stream_ends_with_the_typed_output() -> None:
    async with client_of(scripted('{"title": "soup"}')).stream_text("x", output=Recipe) as stream:
        events = [event async for event in stream]
        reply = await stream.result()
    assert reply.output == Recipe(title="soup")
    assert isinstance(events[-1], Finished)
    assert events[-1].response is reply


async def test_a_stream_whose_text_does_not_fit() -> None:
    backend = scripted('{"title": 5}')
    async with client_of(backend).stream_text("x", output=Recipe) as stream:
        with pytest.raises(OutputValidationError):
            await stream.result()
        with pytest.raises(OutputValidationError) as caught:
            await stream.result()
    assert caught.value.text == '{"title": 5}'
    assert backend.closed == 0
    nothing_left()
