"""The options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DebugFlag",
    "JsonFlag",
    "Models",
    "OutputFile",
    "QuietFlag",
    "Seconds",
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
