"""``gensdk image``: make or edit pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .files import IMAGE_FORMATS, check_target, format_of
from .guard import guard
from .inputs import model_of, whole_text
from .options import DebugFlag, JsonFlag, Models, OutputFile, QuietFlag, Seconds, Size, VerboseFlag
from .saved import make_files
from .terminal import Flags, Terminal

__all__ = ["image"]


Prompt = Annotated[
    list[str] | None, typer.Argument(help="What to show; '-' or nothing reads stdin.")
]
Count = Annotated[int | None, typer.Option("-n", min=1, max=100, help="Number of pictures.")]
Quality = Annotated[str | None, typer.Option(help="draft, standard, high, max, …")]
Seed = Annotated[int | None, typer.Option(help="Repeatable picture, where possible.")]
Format = Annotated[
    str | None, typer.Option("--format", help="png, jpeg, webp, gif or svg; else the suffix's.")
]
Edit = Annotated[
    list[Path] | None,
    typer.Option(exists=True, dir_okay=False, help="Picture to start from; repeatable."),
]
Mask = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="PNG; edit where it is transparent."),
]


def image(
    output: OutputFile,
    prompt: Prompt = None,
    model: Models = None,
    count: Count = None,
    size: Size = None,
    quality: Quality = None,
    seed: Seed = None,
    file_format: Format = None,
    edit: Edit = None,
    mask: Mask = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Make pictures of a prompt, or edit some; prints the files' names."""

    def body(terminal: Terminal) -> int:
        check_target(output, count=count or 1, as_json=as_json)
        parameters: dict[str, Any] = {
            "model": model_of(model), "n": count, "size": size, "quality": quality, "seed": seed,
            "format": format_of(output, file_format, IMAGE_FORMATS), "images": edit or None,
            "mask": mask, "timeouts": timeout,
        }  # fmt: skip
        words = whole_text(prompt)
        return make_files(
            terminal, "drawing", lambda client: client.image(words, **parameters), output, as_json
        )

    guard(Flags(verbose, quiet, debug), body)
