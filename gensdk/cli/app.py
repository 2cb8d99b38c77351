"""The command's parts put together: one file for each, and the options of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

import gensdk

from .doctor import doctor
from .embed import embed
from .image import image
from .models import group as models
from .moderate import moderate
from .music import music
from .speech import speech
from .text import text
from .transcribe import transcribe
from .video import video

__all__ = ["app", "run"]

app = typer.Typer(
    name="gensdk",
    help="Text, pictures, speech, music, videos, transcripts, vectors and verdicts from hosted and "
    "local models.",
    epilog="Exit codes: 0 done, 2 usage or set-up, 3 invalid request, 4 credentials, 5 quota, "
    "6 transient, 7 blocked, 8 model not found or retired, 9 unusable or unknown outcome, "
    "10 local, 130 interrupted, 1 anything else.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (text, image, speech, music, transcribe, video, embed, moderate, doctor):
    app.command()(command)
app.add_typer(models)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gensdk {gensdk.__version__}")
        raise typer.Exit


@app.callback()
def _whole(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take the options of the whole command."""


def run(argv: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit code."""
    try:
        app(args=None if argv is None else list(argv), prog_name="gensdk")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return 0
