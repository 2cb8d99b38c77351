"""A conversation that other providers took part in, made ready for one of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gensdk.types import Message, Part, TextPart, ToolCallPart, ToolResultPart

from .notes import Notes

__all__ = ["CallIds", "passed_on"]


@dataclass(frozen=True, slots=True)
class CallIds:
    """The ids of tool calls that a server takes.

    Attributes:
        form: What an id must match as a whole.
        length: Characters of an id that is made here: ``call_`` and letters and digits, without
            ``call_`` below 16.
    """

    form: re.Pattern[str]
    length: int = 29


def passed_on(
    messages: Sequence[Message], provider: str, notes: Notes, ids: CallIds | None
) -> Sequence[Message]:
    """The conversation for one provider.

    Ids of tool calls are kept where they fit. One that does not, or that an earlier call had
    already (servers that give none are given ``call_0`` in every turn), becomes another; a result
    follows its call. What holds nothing but another provider's private data is noted: it is for
    the caller to leave out.

    Args:
        messages: The conversation, oldest first.
        provider: Name of the account that it goes to.
        notes: Where what is left out is noted.
        ids: The ids that the server takes; None for any, also twice.
    """
    told = [
        part
        for message in messages
        if message.role == "assistant"
        for part in message.content
        if part.type != "text" or part.private is not None
    ]
    if not told:
        return messages
    _note_foreign(told, provider, notes)
    calls = [part.id for part in told if isinstance(part, ToolCallPart)]
    if ids is None or (len(set(calls)) == len(calls) and all(map(ids.form.fullmatch, calls))):
        return messages  # a result without its call is the server's to refuse
    new = _Ids(ids.form, ids.length)
    return tuple(message.model_copy(update={"content": new.of(message)}) for message in messages)


def _note_foreign(parts: Sequence[Part], provider: str, notes: Notes) -> None:
    for part in parts:
        private = part.private
        if private is None or private.provider == provider:
            continue
        if isinstance(part, TextPart) and not part.text:
            notes.other(
                f"what only {private.provider} understands was left out of the conversation",
                "prompt",
                "adapted",
            )


class _Ids:
    """The new ids, by the old ones."""

    def __init__(self, form: re.Pattern[str], length: int) -> None:
        self._form = form
        self._length = length
        self._times: dict[str, int] = {}
        self._open: dict[str, list[str]] = {}
        self._latest: dict[str, str] = {}

    def of(self, message: Message) -> tuple[Part, ...]:
        if any(isinstance(part, ToolCallPart) for part in message.content):
            self._open = {}
        return tuple(self._part(part) for part in message.content)

    def _part(self, part: Part) -> Part:
        if isinstance(part, ToolCallPart):
            return part.model_copy(update={"id": self._called(part.id)})
        if isinstance(part, ToolResultPart):
            return part.model_copy(update={"tool_call_id": self._answered(part.tool_call_id)})
        return part

    def _called(self, old: str) -> str:
        times = self._times[old] = self._times.get(old, 0) + 1
        fits = times == 1 and self._form.fullmatch(old)
        new = old if fits else self._made(f"{old}/{times}")
        self._open.setdefault(old, []).append(new)
        self._latest[old] = new
        return new

    def _answered(self, old: str) -> str:
        """The call of that name that waits longest, else the one that had it last."""
        waiting = self._open.get(old)
        return waiting.pop(0) if waiting else self._latest.get(old, old)

    def _made(self, seed: str) -> str:
        digest = hashlib.sha256(seed.encode(errors="replace")).hexdigest()
        start = "call_" if self._length >= 16 else ""
        return f"{start}{digest[: self._length - len(start)]}"
