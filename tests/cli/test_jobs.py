"""``music`` and ``video`` in this process, against a scripted provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gensdk.errors import JobFailedError, ServerError
from gensdk.testing import Pause, ScriptedBackend, ScriptedJob
from gensdk.types import (
    Media,
    MusicRequest,
    MusicResponse,
    Request,
    VideoRequest,
    VideoResponse,
)
from tests.cli.conftest import Command

Script = Callable[..., ScriptedBackend]
MP3 = b"ID3\x04\x00" + bytes(24)
MP4 = b"\0\0\0\x18ftypisom" + bytes(24)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
TUNE = MusicResponse(audio=Media(data=MP3))
FILM = VideoResponse(videos=(Media(data=MP4),), seed=4)


def asked(backend: ScriptedBackend) -> Request:
    return backend.asked[-1].request


def test_music_is_saved_and_named(command: Command, script: Script, in_folder: Path) -> None:
    backend = script(TUNE)
    ran = command("music", "calm", "piano", "-m", "stage:m", "-o", "a.mp3")
    assert (ran.code, ran.out, ran.err) == (0, "a.mp3\n", "")
    assert (in_folder / "a.mp3").read_bytes() == MP3
    assert asked(backend) == MusicRequest(prompt="calm piano", model="stage:m", format="mp3")


def test_every_music_option(command: Command, script: Script, in_folder: Path) -> None:
    backend = script(TUNE)
    (in_folder / "ref.mp3").write_bytes(MP3)
    ran = command(
        *("music", "-", "-m", "stage:m", "-o", "a.wav", "--duration", "8", "--lyrics", "la"),
        *("--vocal", "--bpm", "90", "--key", "C minor", "--negative", "drums", "--seed", "3"),
        *("--reference", "ref.mp3", "--json"),
        stdin=b"calm",
    )
    assert ran.code == 0
    assert json.loads(ran.out)["audio"][0]["path"] == "a.wav"
    assert "a.wav holds audio/mpeg" in ran.err
    assert asked(backend) == MusicRequest(
        prompt="calm", model="stage:m", format="wav", duration_s=8, lyrics="la",
        instrumental=False, bpm=90, key="C minor", negative_prompt="drums", seed=3,
        reference_audio=Media.read(in_folder / "ref.mp3").model_copy(update={"name": "ref.mp3"}),
    )  # fmt: skip


def test_a_video_is_waited_for_and_saved(command: Command, script: Script, in_folder: Path) -> None:
    backend = script(ScriptedJob("queued", 0.5, result=FILM), jobs=["video"])
    ran = command("video", "a", "boat", "-m", "stage:m", "-o", "a.mp4")
    assert (ran.code, ran.out, ran.err) == (0, "a.mp4\n", "")
    assert (in_folder / "a.mp4").read_bytes() == MP4
    assert asked(backend) == VideoRequest(prompt="a boat", model="stage:m", format="mp4")


def test_every_video_option(command: Command, script: Script, in_folder: Path) -> None:
    backend = script(FILM)
    (in_folder / "one.png").write_bytes(PNG)
    (in_folder / "film.mp4").write_bytes(MP4)
    ran = command(
        *("video", "x", "-m", "stage:m", "-o", "a.webm", "--duration", "4", "--fps", "24"),
        *("--aspect-ratio", "16:9", "--resolution", "720p", "-n", "1", "--seed", "3"),
        *("--negative", "rain", "--no-audio", "--first-frame", "one.png"),
        *("--last-frame", "one.png", "--reference", "one.png", "--edit", "film.mp4"),
    )
    assert ran.code == 0
    assert "a.webm holds video/mp4" in ran.err
    picture, film = Media.read(in_folder / "one.png"), Media.read(in_folder / "film.mp4")
    assert asked(backend) == VideoRequest(
        prompt="x", model="stage:m", format="webm", duration_s=4, fps=24, aspect_ratio="16:9",
        resolution="720p", n=1, seed=3, negative_prompt="rain", audio=False, first_frame=picture,
        last_frame=picture, references=(picture,), video=film,
    )  # fmt: skip


def test_a_job_that_failed_is_told_in_a_block(command: Command, script: Script) -> None:
    script(ScriptedJob(JobFailedError("no film in the camera", code="E7")), jobs=["video"])
    ran = command("video", "x", "-m", "stage:m", "-o", "a.mp4")
    assert (ran.code, ran.out) == (9, "")
    assert "error: no film in the camera\n" in ran.err
    assert "  job: job-1\n" in ran.err
    assert "handle" not in ran.err
    assert "  next: change the request, or choose another model with -m\n" in ran.err


@pytest.mark.parametrize(
    ("cancel", "said"),
    [
        ("stopped", "the job was cancelled and does not run any more (job job-1)"),
        ("unsupported", "the job goes on: its provider has no way to cancel it (job job-1)"),
        (ServerError("x", retryable=False), "the job goes on: its provider could not be told"),
    ],
)
def test_a_job_that_takes_too_long_is_cancelled(
    command: Command, script: Script, cancel: object, said: str
) -> None:
    script(ScriptedJob(0.5, Pause(), result=FILM, cancel=cancel), jobs=["video"])  # type: ignore[arg-type]
    ran = command("video", "x", "-m", "stage:m", "-o", "a.mp4", "--timeout", "0.05")
    assert ran.code == 6
    assert said in ran.err
    (handle,) = [line for line in ran.err.splitlines() if line.startswith("  handle: ")]
    assert json.loads(handle.removeprefix("  handle: "))["id"] == "job-1"


HANDLE = '{"id": "job-1", "provider": "stage", "model": "m"}'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--job", "{}"), "the JSON that stands after"),
        (("--job", "job-1"), "the JSON that stands after"),
        (("--job", HANDLE, "a prompt"), "give -o alone"),
        (("--job", HANDLE, "-m", "stage:m"), "give -o alone"),
        (("--job", HANDLE, "--seed", "3"), "give -o alone"),
        (("--job", HANDLE, "--format", "mov"), "give -o alone"),
        (("--job", HANDLE.replace('"m"}', '"m", "ability": "music"}')), "makes music"),
    ],
)
def test_what_is_no_job_to_take_up(
    command: Command, script: Script, words: tuple[str, ...], said: str
) -> None:
    backend = script(ScriptedJob(result=FILM), jobs=["video"])
    ran = command("video", *words, "-o", "a.mp4")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert backend.asked == []
