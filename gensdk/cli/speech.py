"""``gensdk speech``: speak a text into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .files import AUDIO_FORMATS, check_target, format_of
from .guard import guard, in_loop
from .inputs import model_of, whole_text
from .options import DebugFlag, JsonFlag, Models, OutputFile, QuietFlag, Seconds, VerboseFlag
from .saved import report
from .session import open_client
from .summary import tell
from .terminal import Flags, Terminal

__all__ = ["register"]


Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT]...", help="What to say; '-' or nothing reads stdin."),
]
Voice = Annotated[str | None, typer.Option(help="Name or id of a voice.")]
Instructions = Annotated[str | None, typer.Option(help="How to say it, in words.")]
Speed = Annotated[float | None, typer.Option(help="1 is normal, 0.25 to 4.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help="mp3, wav, flac, opus, aac or pcm; else the suffix's."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("speech")(speech)


def speech(
    output: OutputFile,
    words: Words = None,
    model: Models = None,
    voice: Voice = None,
    instructions: Instructions = None,
    speed: Speed = None,
    audio_format: Format = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Speak a text of any length; prints the file's name."""

    def body(terminal: Terminal) -> int:
        check_target(output, as_json=as_json)
        parameters = {
            "model": model_of(model), "voice": voice, "instructions": instructions,
            "speed": speed, "format": format_of(output, audio_format, AUDIO_FORMATS),
            "timeouts": timeout,
        }  # fmt: skip
        said = whole_text(words, what="text")
        return in_loop(_speak(terminal, said, output, parameters, as_json))

    guard(Flags(verbose, quiet, debug), body)


async def _speak(
    terminal: Terminal, said: str, output: Path, parameters: dict[str, Any], as_json: bool
) -> int:
    async with open_client(terminal) as client:
        with terminal.waiting("speaking", bar=True):
            response = await client.speech(said, **parameters)
    report(terminal, response, output, (response.audio,), "audio", as_json=as_json)
    tell(terminal, response)
    return 0
