"""``gensdk music``: make music, or a sound, into a file."""

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


Prompt = Annotated[
    list[str] | None, typer.Argument(help="What it should sound like; '-' or nothing reads stdin.")
]
Duration = Annotated[float | None, typer.Option("--duration", help="Length in seconds.")]
Lyrics = Annotated[str | None, typer.Option(help="Words to sing.")]
Instrumental = Annotated[
    bool | None, typer.Option("--instrumental/--vocal", help="Without or with a voice.")
]
Tempo = Annotated[float | None, typer.Option("--bpm", help="Beats a minute.")]
Key = Annotated[str | None, typer.Option("--key", help="Musical key, such as 'C minor'.")]
Negative = Annotated[str | None, typer.Option("--negative", help="What it should not sound like.")]
Seed = Annotated[int | None, typer.Option(help="Repeatable sound, where possible.")]
Reference = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Sound to start from.")
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="mp3, wav, flac, opus, aac or pcm; else the suffix's."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("music")(music)


def music(
    output: OutputFile,
    prompt: Prompt = None,
    model: Models = None,
    duration: Duration = None,
    lyrics: Lyrics = None,
    instrumental: Instrumental = None,
    bpm: Tempo = None,
    key: Key = None,
    negative: Negative = None,
    seed: Seed = None,
    reference: Reference = None,
    audio_format: Format = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Make music, or a sound, of a prompt; prints the file's name."""

    def body(terminal: Terminal) -> int:
        check_target(output, as_json=as_json)
        parameters = {
            "model": model_of(model), "duration_s": duration, "lyrics": lyrics,
            "instrumental": instrumental, "bpm": bpm, "key": key, "negative_prompt": negative,
            "seed": seed, "reference_audio": reference, "timeouts": timeout,
            "format": format_of(output, audio_format, AUDIO_FORMATS),
        }  # fmt: skip
        words = whole_text(prompt)
        return in_loop(_play(terminal, words, output, parameters, as_json))

    guard(Flags(verbose, quiet, debug), body)


async def _play(
    terminal: Terminal, prompt: str, output: Path, parameters: dict[str, Any], as_json: bool
) -> int:
    async with open_client(terminal) as client:
        with terminal.waiting("composing", bar=True):
            response = await client.music(prompt, **parameters)
    report(terminal, response, output, (response.audio,), "audio", as_json=as_json)
    tell(terminal, response)
    return 0
