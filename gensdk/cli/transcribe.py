"""``gensdk transcribe``: write down what is said in a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gensdk.errors import ConfigurationError
from gensdk.types import Media, TranscriptionResponse

from .guard import guard, in_loop
from .inputs import model_of, stdin_bytes
from .options import DebugFlag, JsonFlag, Models, QuietFlag, Seconds, VerboseFlag
from .session import open_client
from .subtitles import cues, srt, timed_text, vtt
from .summary import tell
from .terminal import Flags, Terminal

__all__ = ["transcribe"]


class Times(StrEnum):
    """How finely to time the words."""

    SEGMENT = "segment"
    WORD = "word"


class Shape(StrEnum):
    """How the transcript is printed."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


@dataclass(frozen=True, slots=True)
class Hearing:
    """One sound and how its words are printed."""

    audio: Path | Media
    parameters: dict[str, Any]
    shape: Shape
    times: Times | None


def transcribe(
    audio: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Sound file; '-' reads stdin."),
    ],
    model: Models = None,
    timestamps: Annotated[Times | None, typer.Option(help="Time segments or words.")] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code, where known.")] = None,
    shape: Annotated[
        Shape | None,
        typer.Option("--format", help="text unless said; srt and vtt ask for segment times."),
    ] = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Write down what is said."""

    def body(terminal: Terminal) -> int:
        form = _shape(shape, as_json=as_json)
        times = timestamps or (Times.SEGMENT if form in {Shape.SRT, Shape.VTT} else None)
        parameters = {
            "model": model_of(model), "language": language, "timeouts": timeout,
            "timestamps": times.value if times else None,
        }  # fmt: skip
        hearing = Hearing(_sound(audio), parameters, form, timestamps)
        return in_loop(_hear(terminal, hearing))

    guard(Flags(verbose, quiet, debug), body)


def _shape(given: Shape | None, *, as_json: bool) -> Shape:
    if not as_json:
        return given or Shape.TEXT
    if given not in {None, Shape.JSON}:
        raise ConfigurationError(f"--json and --format {given} print the transcript in two ways")
    return Shape.JSON


def _sound(path: Path) -> Path | Media:
    if str(path) != "-":
        if not path.is_file():
            raise ConfigurationError(f"{path} is no file")
        return path
    data = stdin_bytes()
    if not data:
        raise ConfigurationError("no sound: stdin is empty")
    return Media(data=data)


async def _hear(terminal: Terminal, hearing: Hearing) -> int:
    async with open_client(terminal) as client:
        with terminal.waiting("listening", bar=True):
            response = await client.transcribe(hearing.audio, **hearing.parameters)
    if hearing.shape is Shape.JSON:
        terminal.json(response.model_dump(mode="json"))
    else:
        terminal.write(_printed(response, hearing))
        terminal.end_text()
    tell(terminal, response)
    return 0


def _printed(response: TranscriptionResponse, hearing: Hearing) -> str:
    if hearing.shape is Shape.SRT:
        return srt(cues(response))
    if hearing.shape is Shape.VTT:
        return vtt(cues(response))
    if hearing.times is Times.WORD and response.words:
        return timed_text(response.words)
    if hearing.times is not None:
        return timed_text(cues(response))
    return response.text
