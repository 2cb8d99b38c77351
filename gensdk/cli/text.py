"""``gensdk text``: ask a model for text and show it as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

import gensdk
from gensdk.errors import ConfigurationError, UnsupportedFeatureError
from gensdk.types import RefusalDelta, TextDelta, TextResponse

from .guard import guard, in_loop
from .inputs import model_of, schema_of, whole_text
from .options import DebugFlag, JsonFlag, Models, QuietFlag, Seconds, VerboseFlag
from .session import open_client
from .summary import tell
from .terminal import Flags, Terminal

__all__ = ["text"]


Prompt = Annotated[list[str] | None, typer.Argument(help="The prompt; '-' or nothing reads stdin.")]
System = Annotated[
    str | None, typer.Option("--system", "-s", help="Instructions above the conversation.")
]
Attach = Annotated[
    list[Path] | None,
    typer.Option(
        "--image", "-i", exists=True, dir_okay=False, help="Picture, sound or PDF to attach."
    ),
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Limit of new tokens.")]
Temperature = Annotated[float | None, typer.Option("--temperature", "-t", help="0 (greedy) to 2.")]
Seed = Annotated[int | None, typer.Option(help="Repeatable sampling, where possible.")]
Stop = Annotated[list[str] | None, typer.Option(help="Text that ends the answer; repeatable.")]
Schema = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="JSON schema; prints the answer as JSON that fits it."
    ),
]
Whole = Annotated[bool, typer.Option("--no-stream", help="Wait for the whole answer.")]
Raw = Annotated[bool, typer.Option("--raw", help="Do not escape control characters of the answer.")]


@dataclass(frozen=True, slots=True)
class Asking:
    """One question and how its answer is shown.

    Attributes:
        prompt: Text, or the parts of one message.
        parameters: Keyword arguments of the verb.
        schema: Schema of the answer; the answer is then printed as JSON, once it fits.
        as_json: Print the whole response as JSON.
        streams: Show the text as it comes.
        raw: Print the model's characters as they are.
    """

    prompt: str | list[str | Path]
    parameters: dict[str, Any]
    schema: dict[str, object] | None = None
    as_json: bool = False
    streams: bool = True
    raw: bool = False


def text(
    prompt: Prompt = None,
    model: Models = None,
    system: System = None,
    attach: Attach = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    seed: Seed = None,
    stop: Stop = None,
    schema: Schema = None,
    no_stream: Whole = False,
    raw: Raw = False,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Answer a prompt with text, shown as it comes."""
    parameters = {
        "model": model_of(model), "system": system, "max_tokens": max_tokens,
        "temperature": temperature, "seed": seed, "stop": stop or None, "timeouts": timeout,
    }  # fmt: skip

    def body(terminal: Terminal) -> int:
        if raw and (as_json or schema):
            other = "--json" if as_json else "--schema"
            raise ConfigurationError(f"--raw and {other}: JSON always escapes control characters")
        words = whole_text(prompt)
        asking = Asking(
            [words, *attach] if attach else words,
            parameters,
            schema=schema_of(schema),
            as_json=as_json,
            streams=not (no_stream or as_json or schema),
            raw=raw,
        )
        return in_loop(_ask(terminal, asking))

    guard(Flags(verbose, quiet, debug), body)


async def _ask(terminal: Terminal, asking: Asking) -> int:
    async with open_client(terminal) as client:
        if asking.streams:
            response = await _streamed(client, terminal, asking)
        else:
            response = await _plain(client, terminal, asking)
    tell(terminal, response)
    return 0


async def _plain(client: gensdk.Client, terminal: Terminal, asking: Asking) -> TextResponse[Any]:
    with terminal.waiting("writing"):
        response = await client.text(asking.prompt, output=asking.schema, **asking.parameters)
    if asking.as_json:
        terminal.json(response.model_dump(mode="json"))
    elif response.output is not None:
        terminal.json(response.output)
    else:
        terminal.write(response.text or response.refusal or "", raw=asking.raw)
        terminal.end_text()
    return response


async def _streamed(client: gensdk.Client, terminal: Terminal, asking: Asking) -> TextResponse[Any]:
    """Stream; where no model of the route can, and nothing was sent, ask for a plain answer."""
    try:
        with terminal.waiting("writing") as waiting:
            async with client.stream_text(asking.prompt, **asking.parameters) as stream:
                async for event in stream:
                    if isinstance(event, TextDelta | RefusalDelta) and event.index == 0:
                        waiting.stop()
                        terminal.write(event.text, raw=asking.raw)
                response = await stream.result()
    except UnsupportedFeatureError as error:
        if error.status is not None or terminal.wrote:
            raise
        return await _plain(client, terminal, asking)
    terminal.end_text()
    return response
