"""``gensdk video``: make a video into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gensdk.errors import ConfigurationError
from gensdk.types import JobHandle

from .files import VIDEO_FORMATS, check_target, format_of
from .guard import guard
from .inputs import model_of, whole_text
from .options import (
    DebugFlag,
    Duration,
    JsonFlag,
    Models,
    OutputFile,
    QuietFlag,
    Seconds,
    Size,
    VerboseFlag,
)
from .saved import make_files
from .terminal import Flags, Terminal

__all__ = ["video"]


Prompt = Annotated[
    list[str] | None, typer.Argument(help="What happens; '-' or nothing reads stdin.")
]
Ratio = Annotated[str | None, typer.Option("--aspect-ratio", help="WIDTH:HEIGHT, such as 16:9.")]
Resolution = Annotated[str | None, typer.Option(help="360p to 1440p, or 4k.")]
Rate = Annotated[float | None, typer.Option("--fps", help="Frames per second.")]
Count = Annotated[int | None, typer.Option("-n", min=1, max=16, help="Number of videos.")]
Seed = Annotated[int | None, typer.Option(help="Repeatable video, where possible.")]
Negative = Annotated[str | None, typer.Option("--negative", help="What not to show.")]
Sound = Annotated[bool | None, typer.Option("--audio/--no-audio", help="With or without sound.")]
First = Annotated[
    Path | None,
    typer.Option("--first-frame", exists=True, dir_okay=False, help="Picture to begin with."),
]
Last = Annotated[
    Path | None,
    typer.Option("--last-frame", exists=True, dir_okay=False, help="Picture to end with."),
]
References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference", exists=True, dir_okay=False, help="Picture of who appears; repeatable."
    ),
]
Source = Annotated[
    Path | None,
    typer.Option("--edit", exists=True, dir_okay=False, help="Video to start from."),
]
Taken = Annotated[
    str | None,
    typer.Option("--job", help="Take up a job by its handle, as it was printed; no prompt."),
]
Format = Annotated[
    str | None, typer.Option("--format", help="mp4, webm, mov or gif; else the suffix's.")
]


def video(
    output: OutputFile,
    prompt: Prompt = None,
    model: Models = None,
    duration: Duration = None,
    size: Size = None,
    aspect_ratio: Ratio = None,
    resolution: Resolution = None,
    fps: Rate = None,
    count: Count = None,
    seed: Seed = None,
    negative: Negative = None,
    audio: Sound = None,
    first_frame: First = None,
    last_frame: Last = None,
    reference: References = None,
    edit: Source = None,
    file_format: Format = None,
    job: Taken = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Make a video of a prompt; prints the file's name. Ctrl-C cancels the provider's job.

    With --job a job that goes on is waited for; Ctrl-C leaves it alone.
    """

    def body(terminal: Terminal) -> int:
        check_target(output, count=count or 1, as_json=as_json)
        parameters: dict[str, Any] = {
            "model": model_of(model), "duration_s": duration, "size": size, "n": count,
            "aspect_ratio": aspect_ratio, "resolution": resolution, "fps": fps, "seed": seed,
            "negative_prompt": negative, "audio": audio, "first_frame": first_frame,
            "last_frame": last_frame, "references": reference or None, "video": edit,
            "format": format_of(output, file_format, VIDEO_FORMATS), "timeouts": timeout,
        }  # fmt: skip
        if job is not None:
            handle = _handle(job, prompt, parameters | {"format": file_format})
            return make_files(
                terminal,
                "filming",
                lambda client: client.job(handle).result(deadline_s=timeout),
                output,
                as_json,
                taken_up=handle,
            )
        words = whole_text(prompt)
        return make_files(
            terminal, "filming", lambda client: client.video(words, **parameters), output, as_json
        )

    guard(Flags(verbose, quiet, debug), body)


def _handle(text: str, prompt: list[str] | None, parameters: dict[str, Any]) -> JobHandle:
    """What ``--job`` names.

    Raises:
        ConfigurationError: It is no handle of a video, or something else was asked for beside it.
    """
    given = [name for name, value in parameters.items() if value is not None]
    if prompt or set(given) - {"timeouts"}:
        raise ConfigurationError("--job takes up what was asked for before: give -o alone")
    try:
        handle = JobHandle.model_validate_json(text)
    except ValidationError:
        raise ConfigurationError("--job: give the JSON that stands after 'handle:'") from None
    if handle.ability != "video":
        raise ConfigurationError(f"--job: this job makes {handle.ability}, no video")
    return handle
