"""``gensdk speech``: speak a text into a file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .files import AUDIO_FORMATS, check_target, format_of
from .guard import guard
from .inputs import model_of, whole_text
from .options import (
    AudioFormat,
    DebugFlag,
    JsonFlag,
    Models,
    OutputFile,
    QuietFlag,
    Seconds,
    VerboseFlag,
)
from .saved import make_files
from .terminal import Flags, Terminal

__all__ = ["speech"]


Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT]...", help="What to say; '-' or nothing reads stdin."),
]
Voice = Annotated[str | None, typer.Option(help="Name or id of a voice.")]
Instructions = Annotated[str | None, typer.Option(help="How to say it, in words.")]
Speed = Annotated[float | None, typer.Option(help="1 is normal, 0.25 to 4.")]


def speech(
    output: OutputFile,
    words: Words = None,
    model: Models = None,
    voice: Voice = None,
    instructions: Instructions = None,
    speed: Speed = None,
    audio_format: AudioFormat = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Speak a text of any length; prints the file's name."""

    def body(terminal: Terminal) -> int:
        check_target(output, as_json=as_json)
        parameters: dict[str, Any] = {
            "model": model_of(model), "voice": voice, "instructions": instructions,
            "speed": speed, "format": format_of(output, audio_format, AUDIO_FORMATS),
            "timeouts": timeout,
        }  # fmt: skip
        said = whole_text(words, what="text")
        return make_files(
            terminal, "speaking", lambda client: client.speech(said, **parameters), output, as_json
        )

    guard(Flags(verbose, quiet, debug), body)
