"""What a type checker makes of the front door. Checked with ``mypy --strict``, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from pydantic import BaseModel

import gensdk
from gensdk.errors import RouteExhaustedError
from gensdk.types import (
    EmbedRequest,
    EmbedResponse,
    ImageEvent,
    ImageRequest,
    ImageResponse,
    JobProgress,
    ModerationResponse,
    MusicResponse,
    Request,
    Response,
    SpeechEvent,
    SpeechResponse,
    TextEvent,
    TextRequest,
    TextResponse,
    TranscriptionResponse,
    VideoResponse,
)


class Recipe(BaseModel):
    title: str


async def plain(client: gensdk.Client) -> None:
    assert_type(await client.text("x"), TextResponse[Any])
    assert_type(await client.text("x", output=Recipe), TextResponse[Recipe])
    assert_type((await client.text("x", output=Recipe)).output, Recipe | None)
    assert_type(await client.text("x", output=list[int]), TextResponse[list[int]])
    assert_type(await client.text("x", output={"type": "object"}), TextResponse[Any])
    assert_type(await client.image("x", size=(8, 8)), ImageResponse)
    assert_type(await client.speech("x", voice="coral"), SpeechResponse)
    assert_type(await client.music("x", bpm=90), MusicResponse)
    assert_type(await client.video("x", size=(8, 8)), VideoResponse)
    assert_type(await client.transcribe(Path("a.mp3")), TranscriptionResponse)
    assert_type(await client.embed(["a", "b"]), EmbedResponse)
    assert_type(await client.moderate("x"), ModerationResponse)
    assert_type(await client.run(TextRequest(prompt="x")), TextResponse[Any])
    assert_type(await client.run(ImageRequest(prompt="x")), ImageResponse)
    assert_type((await client.text("x")).text, str)


async def requests(client: gensdk.Client, sync: gensdk.SyncClient, some: list[Request]) -> None:
    assert_type(await client.run(some[0]), Response)
    assert_type(sync.run(EmbedRequest(inputs=("x",))), EmbedResponse)
    texts = [TextRequest(prompt="x")]
    async for reply in client.map(texts):
        assert_type(reply, TextResponse[Any])
    async for answer in client.map(some, return_errors=True):
        assert_type(answer, Response | gensdk.GenSDKError)
    for one in sync.map(texts):
        assert_type(one, TextResponse[Any])


async def models(client: gensdk.Client, bound: gensdk.BoundModel) -> None:
    await client.text("x", model="openai:m")
    await client.text("x", model=["openai:m", bound])
    await client.text("x", model=gensdk.Route("openai:m", bound, on=[RouteExhaustedError]))
    await client.text("x", timeouts=5.0, retry=gensdk.Retry(attempts=1))
    await client.image("x", images=Path("a.png"))


async def streams(client: gensdk.Client) -> None:
    async with client.stream_text("x", output=Recipe) as stream:
        assert_type(stream, gensdk.TextStream[TextEvent, TextResponse[Recipe]])
        async for event in stream:
            assert_type(event, TextEvent)
        async for piece in stream.text:
            assert_type(piece, str)
        async for recipe in stream.partials:
            assert_type(recipe, Recipe)
        assert_type(await stream.result(), TextResponse[Recipe])
    async with client.stream_image("x") as pictures:
        async for picture in pictures:
            assert_type(picture, ImageEvent)
        assert_type(await pictures.result(), ImageResponse)
    async with client.stream_speech("x") as sounds:
        async for sound in sounds:
            assert_type(sound, SpeechEvent)
        async for chunk in sounds.chunks:
            assert_type(chunk, bytes)
        assert_type(await sounds.result(), SpeechResponse)


async def jobs(client: gensdk.Client, sync: gensdk.SyncClient) -> None:
    job = await client.start_video("x", first_frame=Path("a.png"))
    assert_type(job, gensdk.Job[VideoResponse])
    async for progress in job:
        assert_type(progress, JobProgress)
    assert_type(await job.result(deadline_s=5), VideoResponse)
    assert_type(await client.start_music("x"), gensdk.Job[MusicResponse])
    assert_type(client.job(job.to_json()), gensdk.Job[Any])
    assert_type(sync.start_video("x").result(), VideoResponse)
    for progress in sync.start_music("x"):
        assert_type(progress, JobProgress)


def synchronous(client: gensdk.SyncClient) -> None:
    assert_type(client.text("x"), TextResponse[Any])
    assert_type(client.text("x", output=Recipe), TextResponse[Recipe])
    assert_type(client.image("x"), ImageResponse)
    assert_type(client.embed("x"), EmbedResponse)
    with client.stream_text("x") as stream:
        for event in stream:
            assert_type(event, TextEvent)
        for piece in stream.text:
            assert_type(piece, str)
        assert_type(stream.result(), TextResponse[Any])
    with client.stream_text("x", output=Recipe) as typed:
        assert_type(typed.result(), TextResponse[Recipe])
    assert_type(client.with_options(retry=None), gensdk.SyncClient)


async def mistakes(client: gensdk.Client) -> None:
    await client.text("x", temprature=1.0)  # type: ignore[call-overload]
    await client.text("x", temperature="hot")  # type: ignore[call-overload]
    await client.image("x", max_tokens=5)  # type: ignore[call-arg]
    await client.transcribe("a.mp3")  # type: ignore[arg-type]
    await client.text("x", reasoning_effort="huge")  # type: ignore[call-overload]
