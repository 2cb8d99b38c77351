"""``gensdk embed``: turn texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Annotated, Any

import typer

from .guard import guard, in_loop
from .inputs import model_of, text_lines
from .options import DebugFlag, JsonFlag, Models, QuietFlag, Seconds, Texts, VerboseFlag
from .session import open_client
from .summary import tell
from .terminal import Flags, Terminal

__all__ = ["embed", "shortest"]

_FLOAT32 = Struct("f")


def embed(
    texts: Texts = None,
    model: Models = None,
    dimensions: Annotated[int | None, typer.Option(min=1, help="Length of the vectors.")] = None,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Turn texts into vectors: a line of JSON for each."""
    parameters = {"model": model_of(model), "dimensions": dimensions, "timeouts": timeout}

    def body(terminal: Terminal) -> int:
        return in_loop(_embed(terminal, text_lines(texts), parameters, as_json))

    guard(Flags(verbose, quiet, debug), body)


async def _embed(
    terminal: Terminal, inputs: Sequence[str], parameters: dict[str, Any], as_json: bool
) -> int:
    async with open_client(terminal) as client:
        with terminal.waiting("embedding"):
            response = await client.embed(inputs, **parameters)
    if as_json:
        terminal.json(response.model_dump(mode="json"))
    else:
        for index, (text, vector) in enumerate(zip(inputs, response.vectors, strict=True)):
            numbers = [shortest(number) for number in vector]
            terminal.json({"index": index, "input": text, "vector": numbers}, indent=None)
    tell(terminal, response)
    return 0


def shortest(number: float) -> float:
    """A 32-bit float with no more digits than tell it from its neighbours (at most nine)."""
    for digits in (7, 8):
        short = float(f"{number:.{digits}g}")
        if _FLOAT32.unpack(_FLOAT32.pack(short))[0] == number:
            return short
    return float(f"{number:.9g}")
