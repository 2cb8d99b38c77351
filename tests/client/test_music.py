"""Music through the front door: at once, or as a job."""

from __future__ import annotations

import pytest

from gensdk.errors import OutcomeUnknownError, TimedOutError, UnsupportedFeatureError
from gensdk.testing import ScriptedBackend, ScriptedJob
from gensdk.types import Media, MusicRequest, MusicResponse
from tests.support.scripts import MP3, client_of, scripted

TUNE = MusicResponse(audio=Media(data=MP3), duration_s=8, seed=7, finish_reason="stop")


async def test_a_model_that_answers_at_once() -> None:
    backend = scripted(TUNE)
    reply = await client_of(backend).music("calm piano", duration_s=8, seed=7)
    assert (reply.audio.media_type, reply.duration_s, reply.seed) == ("audio/mpeg", 8, 7)
    assert [(one.outcome, one.billed) for one in reply.attempts] == [("ok", "yes")]
    (asked,) = backend.asked
    assert asked.verb == "music"
    assert asked.request == MusicRequest(prompt="calm piano", duration_s=8, seed=7)


async def test_a_model_that_makes_jobs() -> None:
    backend = ScriptedBackend(
        ScriptedJob(0.5, result=TUNE), ScriptedJob(result=TUNE), name="a", jobs=["music"]
    )
    client = client_of(backend)
    assert (await client.music("x")).audio == TUNE.audio
    job = await client.start_music("x")
    assert job.handle.ability == "music"
    assert (await job.result()).audio == TUNE.audio
    assert [one.verb for one in backend.asked] == ["start", "start"]


async def test_music_is_bought_once() -> None:
    first = scripted(TimedOutError("slow", phase="idle", billed="maybe"))
    second = scripted(name="b")
    with pytest.raises(OutcomeUnknownError):
        await client_of(first, second).music("x", model=["a:m", "b:m"])
    assert (len(first.asked), second.asked) == (1, [])


async def test_music_is_no_stream() -> None:
    with pytest.raises(UnsupportedFeatureError, match="cannot do 'music'"):
        async with client_of(scripted()).stream(MusicRequest(prompt="x")):
            pytest.fail("it never opened")
