"""What is told about a call after its answer: model, usage, cost, tries and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gensdk.errors import printable
from gensdk.types import Attempt, Response, Usage

from .terminal import Terminal

__all__ = ["attempt_lines", "tell"]

_ENDINGS = {
    "length": "the answer was cut at the limit of tokens (--max-tokens)",
    "content_filter": "the provider's filter cut the answer",
    "refusal": "the model declined",
}


def tell(terminal: Terminal, response: Response) -> None:
    """Print warnings, and where facts are wanted the facts, to stderr."""
    if terminal.flags.quiet:
        return
    for warning in response.warnings:
        terminal.note(f"warning: {printable(warning.message)}")
    ending = _ENDINGS.get(response.finish_reason or "")
    if ending:
        terminal.note(f"note: {ending}")
    if not terminal.tells_facts:
        return
    if len(response.attempts) > 1:
        for line in attempt_lines(response.attempts):
            terminal.note(f"tried: {line}")
    terminal.note(" | ".join(_facts(response)))


def attempt_lines(attempts: Sequence[Attempt]) -> Iterator[str]:
    """One line for each try: where, how it went, after how long a wait."""
    for attempt in attempts:
        words = [printable(f"{attempt.provider}:{attempt.model}", 200), attempt.outcome]
        if attempt.error:
            status = f", status {attempt.status}" if attempt.status else ""
            words.append(f"({printable(attempt.error, 80)}{status})")
        words.append(f"{attempt.duration_s:.1f} s")
        if attempt.delay_s:
            words.append(f"after waiting {attempt.delay_s:.1f} s")
        if attempt.outcome != "ok" and attempt.billed != "no":
            words.append("perhaps billed" if attempt.billed == "maybe" else "billed")
        yield " ".join(words)


def _facts(response: Response) -> Iterator[str]:
    yield printable(f"{response.provider}:{response.model}", 200)
    usage = _usage(response.usage)
    if usage:
        yield usage
    if response.cost is not None:
        yield f"{response.cost}" + (" at list price" if response.cost.estimated else "")
    if response.timing.started_at is not None:
        first = response.timing.first_output_s
        shown = f" (first output after {first:.1f} s)" if first is not None else ""
        yield f"{response.timing.duration_s:.1f} s{shown}"
    if response.reproducible:
        yield "reproducible"


def _usage(usage: Usage) -> str:
    named = (
        (usage.input_tokens, "tokens in"),
        (usage.cached_tokens, "of them cached"),
        (usage.output_tokens, "tokens out"),
        (usage.reasoning_tokens, "of them reasoning"),
        (usage.characters, "characters"),
    )
    parts = [f"{count} {name}" for count, name in named if count]
    if usage.audio_s:
        parts.append(f"{usage.audio_s:.1f} s of sound")
    return ", ".join(parts)
