"""``image``, ``speech`` and ``transcribe`` in this process, against a scripted provider."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gensdk.cli import main
from gensdk.errors import OutcomeUnknownError
from gensdk.testing import ScriptedBackend
from gensdk.types import (
    ImageRequest,
    ImageResponse,
    Media,
    Request,
    Segment,
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Word,
)
from tests.cli.conftest import Command

Script = Callable[..., ScriptedBackend]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 8
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 28
TIMES = ("00:00:00,000 --> 00:00:01,500", "00:00:01,500 --> 01:00:02,250")
SEGMENTS = (
    Segment(text=" Hello <you>", start_s=0, end_s=1.5),
    Segment(text="a --> b\n\nc", start_s=1.5, end_s=3602.25, speaker="Ann & Bob"),
)


def pictures(*data: bytes) -> ImageResponse:
    return ImageResponse(
        images=tuple(Media(data=item) for item in data), provider="stage", model="m"
    )


def asked(backend: ScriptedBackend) -> Request:
    return backend.asked[-1].request


# ------------------------------------------------------------------------------------- image
def test_a_picture_is_saved_and_named(command: Command, script: Script, in_folder: Path) -> None:
    backend = script(pictures(PNG))
    ran = command("image", "a", "cat", "-m", "stage:m", "-o", "cat.png")
    assert (ran.code, ran.out, ran.err) == (0, "cat.png\n", "")
    assert (in_folder / "cat.png").read_bytes() == PNG
    assert [path.name for path in in_folder.iterdir()] == ["cat.png"]
    request = asked(backend)
    assert isinstance(request, ImageRequest)
    assert (request.prompt, request.format, request.n) == ("a cat", "png", None)


def test_every_image_option(command: Command, script: Script, in_folder: Path) -> None:
    backend = script(pictures(JPEG, JPEG))
    (in_folder / "one.png").write_bytes(PNG)
    (in_folder / "mask.png").write_bytes(PNG + b"m")
    ran = command(
        *("image", "-", "-m", "stage:m", "-o", "out.jpg", "-n", "2", "--size", "64x32"),
        *("--quality", "high", "--seed", "5", "--edit", "one.png", "--mask", "mask.png"),
        stdin=b"paint it",
    )
    assert (ran.code, ran.out) == (0, "out-1.jpg\nout-2.jpg\n")
    request = asked(backend)
    assert isinstance(request, ImageRequest)
    assert (request.prompt, request.n, request.size) == ("paint it", 2, "64x32")
    assert (request.quality, request.seed, request.format) == ("high", 5, "jpeg")
    assert [item.data for item in request.images if isinstance(item, Media)] == [PNG]
    assert request.mask is not None
    assert request.mask.data == PNG + b"m"


def test_image_json_names_the_files(command: Command, script: Script, in_folder: Path) -> None:
    script(pictures(PNG).replace(seed=4))
    ran = command("image", "x", "-m", "stage:m", "-o", ".", "--json")
    found = json.loads(ran.out)
    assert found["seed"] == 4
    (picture,) = found["images"]
    assert picture["media_type"] == "image/png"
    assert picture["bytes"] == len(PNG)
    assert picture["sha256"] == Media(data=PNG).sha256
    assert (in_folder / picture["path"]).read_bytes() == PNG


def test_a_file_whose_name_lies_is_told(command: Command, script: Script) -> None:
    script(pictures(JPEG))
    ran = command("image", "x", "-m", "stage:m", "-o", "cat.png")
    assert ran.code == 0
    assert "warning: cat.png holds image/jpeg\n" in ran.err


def test_a_name_without_suffix_asks_for_no_format(command: Command, script: Script) -> None:
    backend = script(pictures(PNG), pictures(PNG))
    assert command("image", "x", "-m", "stage:m", "-o", "cat").err == ""
    request = asked(backend)
    assert isinstance(request, ImageRequest)
    assert request.format is None
    command("image", "x", "-m", "stage:m", "-o", "cat.xyz", "--format", "webp")
    request = asked(backend)
    assert isinstance(request, ImageRequest)
    assert request.format == "webp"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("cat.tiff", "no format is called .tiff; known: .png"),
        ("nowhere/cat.png", "there is no folder nowhere"),
    ],
)
def test_nothing_is_paid_for_what_cannot_be_saved(
    command: Command, script: Script, output: str, message: str
) -> None:
    backend = script()
    ran = command("image", "x", "-m", "stage:m", "-o", output)
    assert ran.code == 2
    assert message in ran.err
    assert backend.asked == []


@pytest.mark.parametrize(
    ("name", "more"), [("pipe.png", []), ("cat.png", ["-n", "2"]), ("link.png", [])]
)
def test_what_is_no_file_is_left_alone(
    command: Command, script: Script, in_folder: Path, name: str, more: list[str]
) -> None:
    pipes = [in_folder / "pipe.png", in_folder / "cat-2.png"]
    for pipe in pipes:
        os.mkfifo(pipe)
    (in_folder / "link.png").symlink_to(os.devnull)
    backend = script()
    ran = command("image", "x", "-m", "stage:m", "-o", name, *more)
    assert ran.code == 2
    assert "this is not a regular file" in ran.err
    assert backend.asked == []
    assert all(pipe.is_fifo() for pipe in pipes)


def test_a_pipe_that_comes_into_being_during_the_call_is_left_alone(
    command: Command, script: Script, in_folder: Path
) -> None:
    pipe = in_folder / "cat.png"

    def draw(_: Request) -> ImageResponse:
        os.mkfifo(pipe)
        return pictures(PNG)

    script(draw)
    ran = command("image", "x", "-m", "stage:m", "-o", "cat.png")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "error: not a regular file: cat.png")
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["image", "x", "-o", "-", "--json"], "-o - and --json both write to stdout"),
        (["image", "x", "-o", "-", "-n", "2"], "only a single file can go to stdout"),
        (["speech", "x", "-o", "-", "--json"], "-o - and --json both write to stdout"),
        (["transcribe", "a.wav", "--json", "--format", "srt"], "--json and --format srt"),
        (["transcribe", "a.wav", "--json", "--format", "text"], "--json and --format text"),
        (["text", "x", "--raw", "--json"], "--raw and --json"),
        (["text", "x", "--raw", "--schema", "a.wav"], "--raw and --schema"),
    ],
)
def test_impossible_pairs_are_refused_before_the_call(
    command: Command, script: Script, sound: Path, arguments: list[str], message: str
) -> None:
    backend = script()
    ran = command(*arguments, "-m", "stage:m")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert backend.asked == []


def test_json_twice_is_no_contradiction(command: Command, script: Script, sound: Path) -> None:
    script(transcript())
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--json", "--format", "json")
    assert json.loads(ran.out)["text"] == "Hello"


def test_a_folder_that_is_not_writable(
    command: Command, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = script()
    monkeypatch.setattr("os.access", lambda *_: False)
    ran = command("image", "x", "-m", "stage:m", "-o", "cat.png")
    assert ran.code == 2
    assert "the folder . is not writable" in ran.err
    assert backend.asked == []


def test_bytes_to_stdout(
    installed: None, script: Script, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    script(pictures(PNG), pictures(PNG, PNG))
    assert main(["image", "x", "-m", "stage:m", "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == PNG
    assert main(["image", "x", "-m", "stage:m", "-o", "-", "-n", "2"]) == 2
    found = capfdbinary.readouterr()
    assert found.out == b""
    assert b"only a single file can go to stdout" in found.err


def test_a_file_that_cannot_be_written_is_told(
    command: Command, script: Script, in_folder: Path
) -> None:
    script(pictures(PNG))
    ran = command("image", "x", "-m", "stage:m", "-o", "a" * 300 + ".png")
    assert ran.code == 1
    assert ran.err.startswith("error: File name too long: ")


def test_a_lost_picture_says_that_it_may_be_billed(command: Command, script: Script) -> None:
    script(OutcomeUnknownError("the answer was lost", request_id="req\x1b_1", code="c"))
    ran = command("image", "x", "-m", "stage:m", "-o", "cat.png")
    assert ran.code == 9
    assert r"  where: stage:m, c, request req\x1b_1" in ran.err
    assert "  billed: perhaps" in ran.err
    assert "look into the provider's console first" in ran.err


# ------------------------------------------------------------------------------------ speech
@pytest.mark.parametrize(
    ("name", "asked_for"), [("a.wav", "wav"), ("a.MP3", "mp3"), ("a.ogg", "opus"), ("a", None)]
)
def test_speech(
    command: Command, script: Script, in_folder: Path, name: str, asked_for: str | None
) -> None:
    backend = script(SpeechResponse(audio=Media(data=WAV), provider="stage", model="m"))
    ran = command(
        *("speech", "-m", "stage:m", "-o", name, "--voice", "coral", "--instructions", "softly"),
        *("--speed", "1.5"),
        stdin="grüße\n".encode(),
    )
    assert (ran.code, ran.out) == (0, f"{name}\n")
    assert (in_folder / name).read_bytes() == WAV
    request = asked(backend)
    assert isinstance(request, SpeechRequest)
    assert (request.text, request.voice, request.instructions) == ("grüße", "coral", "softly")
    assert (request.speed, request.format) == (1.5, asked_for)


def test_speech_json(command: Command, script: Script) -> None:
    script(SpeechResponse(audio=Media(data=WAV), duration_s=2.5, provider="stage", model="m"))
    ran = command("speech", "hi", "-m", "stage:m", "-o", "a.wav", "--json")
    found = json.loads(ran.out)
    assert found["audio"][0]["path"] == "a.wav"
    assert found["duration_s"] == 2.5


# -------------------------------------------------------------------------------- transcribe
def transcript(**facts: object) -> TranscriptionResponse:
    known = {"text": "Hello", "provider": "stage", "model": "m"}
    return TranscriptionResponse.model_validate(known | facts)


@pytest.fixture
def sound(in_folder: Path) -> Path:
    file = in_folder / "a.wav"
    file.write_bytes(WAV)
    return file


def test_transcribe(command: Command, script: Script, sound: Path) -> None:
    backend = script(transcript(text="Hello\x1b[2J"))
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--language", "en")
    assert (ran.code, ran.out) == (0, "Hello\\x1b[2J\n")
    request = asked(backend)
    assert isinstance(request, TranscriptionRequest)
    assert isinstance(request.audio, Media)
    assert (request.audio.data, request.language, request.timestamps) == (WAV, "en", None)


def test_transcribe_stdin(command: Command, script: Script) -> None:
    backend = script(transcript())
    ran = command("transcribe", "-", "-m", "stage:m", stdin=WAV)
    assert ran.code == 0
    request = asked(backend)
    assert isinstance(request, TranscriptionRequest)
    assert isinstance(request.audio, Media)
    assert request.audio.data == WAV
    ran = command("transcribe", "-", "-m", "stage:m")
    assert ran.code == 2
    assert "no sound: stdin is empty" in ran.err
    ran = command("transcribe", "no.wav", "-m", "stage:m")
    assert ran.code == 2
    assert "error: no.wav is no file" in ran.err


@pytest.mark.parametrize("flag", [["--json"], ["--format", "json"]])
def test_transcribe_json(command: Command, script: Script, sound: Path, flag: list[str]) -> None:
    script(transcript(segments=SEGMENTS))
    ran = command("transcribe", "a.wav", "-m", "stage:m", *flag)
    assert json.loads(ran.out)["segments"][1]["speaker"] == "Ann & Bob"


def test_srt_asks_for_segments(command: Command, script: Script, sound: Path) -> None:
    backend = script(transcript(segments=SEGMENTS))
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--format", "srt")
    assert ran.out == (f"1\n{TIMES[0]}\nHello <you>\n\n2\n{TIMES[1]}\nAnn & Bob: a → b c\n")
    request = asked(backend)
    assert isinstance(request, TranscriptionRequest)
    assert request.timestamps == "segment"


def test_vtt(command: Command, script: Script, sound: Path) -> None:
    script(transcript(segments=SEGMENTS))
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--format", "vtt")
    first, second = (times.replace(",", ".") for times in TIMES)
    assert ran.out == (
        f"WEBVTT\n\n{first}\nHello &lt;you&gt;\n\n{second}\n<v Ann &amp; Bob>a --&gt; b c\n"
    )


def test_timed_text(command: Command, script: Script, sound: Path) -> None:
    words = (Word(text="Hi", start_s=0, end_s=0.5), Word(text="you", start_s=0.5, end_s=1))
    both = transcript(segments=SEGMENTS, words=words)
    backend = script(both, both, transcript(segments=SEGMENTS[:1]))
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--timestamps", "word")
    assert ran.out == ("[00:00:00.000 --> 00:00:00.500] Hi\n[00:00:00.500 --> 00:00:01.000] you\n")
    request = asked(backend)
    assert isinstance(request, TranscriptionRequest)
    assert request.timestamps == "word"
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--timestamps", "segment")
    assert "[00:00:01.500 --> 01:00:02.250] Ann & Bob: a --> b c\n" in ran.out
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--timestamps", "word")
    assert ran.out == "[00:00:00.000 --> 00:00:01.500] Hello <you>\n"


def test_words_become_cues(command: Command, script: Script, sound: Path) -> None:
    words = [
        Word(text=f" word{number} ", start_s=number / 4, end_s=number / 4 + 0.25)
        for number in range(30)
    ]
    words.append(Word(text="later", start_s=20, end_s=21))
    words.append(Word(text="other", start_s=21, end_s=float("inf"), speaker="B"))
    script(transcript(words=words))
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--format", "srt", "--timestamps", "word")
    cues = ran.out.split("\n\n")
    assert all(len(cue.splitlines()[2]) <= 84 for cue in cues)
    assert cues[-2].endswith("\nlater")
    assert cues[-1].splitlines()[1:] == ["00:00:21,000 --> 00:00:21,000", "B: other"]
    assert cues[0].startswith("1\n00:00:00,000 --> 00:00:0")


def test_subtitles_without_times_are_an_error(
    command: Command, script: Script, sound: Path
) -> None:
    script(transcript())
    ran = command("transcribe", "a.wav", "-m", "stage:m", "--format", "vtt")
    assert (ran.code, ran.out) == (9, "")
    assert "error: the model gave no times" in ran.err


def test_no_stdin_at_all(installed: None, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script()
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["transcribe", "-", "-m", "stage:m"]) == 2
    assert main(["text", "-m", "stage:m"]) == 2
