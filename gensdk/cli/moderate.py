"""``gensdk moderate``: judge whether texts are harmful."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .guard import guard, in_loop
from .inputs import model_of, text_lines
from .options import DebugFlag, JsonFlag, Models, QuietFlag, Seconds, Texts, VerboseFlag
from .session import open_client
from .summary import tell
from .terminal import Flags, Terminal

__all__ = ["moderate"]

FLAGGED = 7


def moderate(
    texts: Texts = None,
    model: Models = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with code 7 if anything is flagged.")
    ] = False,
    as_json: JsonFlag = False,
    timeout: Seconds = None,
    verbose: VerboseFlag = False,
    quiet: QuietFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Judge texts: a line with 'ok' or 'flagged' and the categories for each."""
    parameters = {"model": model_of(model), "timeouts": timeout}

    def body(terminal: Terminal) -> int:
        flagged = in_loop(_judge(terminal, text_lines(texts), parameters, as_json))
        return FLAGGED if check and flagged else 0

    guard(Flags(verbose, quiet, debug), body)


async def _judge(
    terminal: Terminal, inputs: Sequence[str], parameters: dict[str, Any], as_json: bool
) -> int:
    async with open_client(terminal) as client:
        with terminal.waiting("judging"):
            response = await client.moderate(inputs, **parameters)
    if as_json:
        terminal.json(response.model_dump(mode="json"))
    else:
        for verdict in response.verdicts:
            words = ["flagged", ", ".join(verdict.categories)] if verdict.flagged else ["ok"]
            terminal.line("\t".join(word for word in words if word))
    tell(terminal, response)
    return int(response.flagged)
