"""Pieces of a stream put together again: the same parts a plain answer has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from .base import FinishReason
from .event import ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from .message import Part, PrivateData, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from .text import Candidate, TextResponse, TokenLogprob

__all__ = ["TextAccumulator", "deltas_of", "tool_call_part"]

TextPiece = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta


def tool_call_part(
    call_id: str, name: str, arguments: str, private: PrivateData | None = None
) -> ToolCallPart:
    """A tool call from the model's raw JSON; text that is no JSON object is kept as it is."""
    try:
        parsed = from_json(arguments, allow_inf_nan=False) if arguments.strip() else {}
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        return ToolCallPart(id=call_id, name=name, arguments=parsed, private=private)
    return ToolCallPart(id=call_id, name=name, malformed=arguments, private=private)


class _Run:
    """A part under construction: text of one kind, or one tool call."""

    __slots__ = ("call", "id", "kind", "name", "pieces")

    def __init__(self, kind: type[TextPiece], call: int = -1) -> None:
        self.kind = kind
        self.call = call
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []

    def part(self) -> Part:
        text = "".join(self.pieces)
        if self.kind is ToolCallDelta:
            return tool_call_part(self.id or f"call_{self.call}", self.name, text)
        if self.kind is ReasoningDelta:
            return ReasoningPart(text=text)
        if self.kind is RefusalDelta:
            return RefusalPart(text=text)
        return TextPart(text=text)


class TextAccumulator:
    """Collects deltas and gives candidates. One for each stream; not shared between tasks."""

    def __init__(self) -> None:
        """Start empty."""
        self._runs: dict[int, list[_Run]] = {}
        self._calls: dict[tuple[int, int], _Run] = {}

    def add(self, delta: TextPiece) -> None:
        """Take one delta; pieces of the same kind that follow each other become one part."""
        runs = self._runs.setdefault(delta.index, [])
        if isinstance(delta, ToolCallDelta):
            self._add_call(runs, delta)
            return
        if not runs or runs[-1].kind is not type(delta):
            runs.append(_Run(type(delta)))
        runs[-1].pieces.append(delta.text)

    def _add_call(self, runs: list[_Run], delta: ToolCallDelta) -> None:
        run = self._calls.get((delta.index, delta.call))
        if run is None:
            run = self._calls[delta.index, delta.call] = _Run(ToolCallDelta, delta.call)
            runs.append(run)
        run.id = delta.id or run.id
        run.name = delta.name or run.name
        run.pieces.append(delta.arguments)

    @property
    def empty(self) -> bool:
        """Whether nothing has come yet."""
        return not self._runs

    def candidates(
        self,
        finish: Mapping[int, FinishReason | None],
        logprobs: Mapping[int, tuple[TokenLogprob, ...]] | None = None,
    ) -> tuple[Candidate, ...]:
        """The candidates, in order of their index; there is at least one."""
        indices = sorted({0} | self._runs.keys() | finish.keys())
        return tuple(
            Candidate(
                parts=tuple(run.part() for run in self._runs.get(index, [])),
                finish_reason=finish.get(index),
                logprobs=(logprobs or {}).get(index),
            )
            for index in indices
        )


def deltas_of(response: TextResponse[Any]) -> Iterator[TextPiece]:
    """A whole answer told as the deltas of a stream: the accumulator's way back."""
    for index, candidate in enumerate(response.candidates):
        calls = 0
        for part in candidate.parts:
            if isinstance(part, TextPart):
                yield TextDelta(text=part.text, index=index)
            elif isinstance(part, ReasoningPart) and part.text:
                yield ReasoningDelta(text=part.text, index=index)
            elif isinstance(part, RefusalPart):
                yield RefusalDelta(text=part.text, index=index)
            elif isinstance(part, ToolCallPart):
                yield _call_delta(part, calls, index)
                calls += 1


def _call_delta(part: ToolCallPart, call: int, index: int) -> ToolCallDelta:
    malformed = part.malformed
    arguments = to_json(part.arguments).decode() if malformed is None else malformed
    return ToolCallDelta(call=call, id=part.id, name=part.name, arguments=arguments, index=index)
