"""The options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "AudioFormat",
    "DebugFlag",
    "Duration",
    "JsonFlag",
    "Models",
    "OutputFile",
    "QuietFlag",
    "Seconds",
    "Size",
    "Texts",
    "VerboseFlag",
]

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="PROVIDER:MODEL",
        help="Model or alias. Give several to fall back from one to the next.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the whole response as JSON.")]
Seconds = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Seconds for the whole call."),
]
VerboseFlag = Annotated[
    bool, typer.Option("--verbose", "-v", help="Tell model, usage, cost and tries on stderr.")
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors on stderr.")]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show stack traces and the log.")]
OutputFile = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="File to write; '-' for stdout.")
]
Texts = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT]...", help="Texts; '-' or nothing reads lines of stdin."),
]
Duration = Annotated[float | None, typer.Option("--duration", help="Length in seconds.")]
Size = Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels, or auto.")]
AudioFormat = Annotated[
    str | None,
    typer.Option("--format", help="mp3, wav, flac, opus, aac or pcm; else the suffix's."),
]
