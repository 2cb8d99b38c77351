"""``gensdk music``: make music, or a sound, into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .files import AUDIO_FORMATS, check_target, format_of
from .guard import guard
from .inputs import model_of, whole_text
from .options import (
    AudioFormat,
    DebugFlag,
    Duration,
    JsonFlag,
    Models,
    OutputFile,
    QuietFlag,
    Seconds,
    VerboseFlag,
)
from .saved import make_files
from .terminal import Flags, Terminal

__all__ = ["music"]


Prompt = Annotated[
    list[str] | None, typer.Argument(help="What it should sound like; '-' or nothing reads stdin.")
]
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
    audio_format: AudioFormat = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Make music, or a sound, of a prompt; prints the file's name."""

    def body(terminal: Terminal) -> int:
        check_target(output, as_json=as_json)
        parameters: dict[str, Any] = {
            "model": model_of(model), "duration_s": duration, "lyrics": lyrics,
            "instrumental": instrumental, "bpm": bpm, "key": key, "negative_prompt": negative,
            "seed": seed, "reference_audio": reference, "timeouts": timeout,
            "format": format_of(output, audio_format, AUDIO_FORMATS),
        }  # fmt: skip
        words = whole_text(prompt)
        return make_files(
            terminal, "composing", lambda client: client.music(words, **parameters), output, as_json
        )

    guard(Flags(verbose, quiet, debug), body)
