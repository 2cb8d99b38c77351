"""All calls of an encoder-decoder model: prompts are read once, answers advance step by step.

One step lets every running row choose its next token, then reads prompts of calls that wait: short
ones together, padded, a long one in a pass of its own, because an encoder sees its text as a whole.
When memory runs out the youngest rows go, and are begun again later with what they have said.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from ..calls import CallsWorker
from ..failures import is_out_of_memory
from ..job import Job
from ..relief import RowLimit, attempt
from ..text.choosing import choose
from ..text.row import Row
from ..worker import Desk, WorkerLimits
from .batches import Batch, Begun, OwnBatch, SharedBatch, begin, encode
from .model import Seq2SeqModel
from .plan import Seq2SeqPlan

__all__ = ["READ_TOKENS", "Seq2SeqWorker"]

CallT = TypeVar("CallT", bound=Hashable)

READ_TOKENS = 1024
"""Prompt tokens read in one pass, padding included; a longer prompt is read alone."""

_PASSES_AT_FIRST = 3
"""Passes in one step while more calls wait than run: a fuller batch is worth a short stall."""


@dataclass(slots=True, eq=False)
class _Line(Generic[CallT]):
    """A candidate: ``ids`` are what the decoder has read, and the token it is to read next."""

    call: CallT
    row: Row
    ids: list[int]


@dataclass(slots=True, eq=False)
class _Waiting(Generic[CallT]):
    """A prompt to be read, and the rows that answer it from the same beginning."""

    call: CallT
    prompt: Sequence[int]
    lines: list[_Line[CallT]]


@dataclass(slots=True, eq=False)
class _Group(Generic[CallT]):
    """Rows that advance together."""

    batch: Batch
    lines: list[_Line[CallT]]


class Seq2SeqWorker(CallsWorker[CallT, Seq2SeqPlan]):
    """Serves an encoder-decoder model."""

    def __init__(self, model: Seq2SeqModel, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(model.text.facts, limits)
        self._model = model
        self._waiting: list[_Waiting[CallT]] = []
        self._shared = SharedBatch(model) if model.positions is not None else None
        self._groups: list[_Group[CallT]] = []
        self._limit = RowLimit()
        self._served: tuple[CallT, ...] = ()
        self._tried = 0

    def admit(self, call: CallT, job: Job) -> None:
        """Tokenize a call's prompt and put it in line to be read."""
        plan = Seq2SeqPlan(self._model, job)
        if not self._calls:
            self._limit.reset()
        self._calls[call] = plan
        self._model.text.adapters.tidy({other.adapter for other in self._calls.values()})
        lines = [_Line(call, row, list(plan.begins)) for row in plan.rows]
        self._waiting.append(_Waiting(call, plan.ids, lines))

    def drop(self, call: CallT) -> None:
        """Forget a call; its rows leave their batch."""
        self._mend()
        super().drop(call)
        self._waiting = [waiting for waiting in self._waiting if waiting.call != call]
        self._sweep()

    def step(self, desk: Desk[CallT]) -> None:
        """Let every running row choose a token, then read prompts."""
        self._limit.step()
        for group in list(self._groups):
            self._attempt(desk, partial(self._decode, desk, group))
        for _ in range(_PASSES_AT_FIRST if len(self._waiting) > self._running else 1):
            self._attempt(desk, partial(self._read, desk))
        self._limit.went_well()

    def shrink(self) -> bool:
        """Let the younger half of the rows go, to be begun again later."""
        if self._mend():
            return True
        lines = [line for group in self._groups for line in group.lines]
        self._limit.halve(len(lines) or self._tried)
        young = lines[self._limit.most :]
        self._again(young)
        self._sweep(young)
        return True

    # ---------------------------------------------------------------------------- in one step
    @property
    def _running(self) -> int:
        return sum(len(group.lines) for group in self._groups)

    def _attempt(self, desk: Desk[CallT], work: Callable[[], None]) -> None:
        """Do a part of a step; what fails in it ends the calls it served, and no others."""
        attempt(
            desk,
            work,
            active=self._calls,
            served=lambda: self._served,
            drop=self.drop,
            hopeless=lambda: self._tried <= 1 and self._limit.is_spent(),
        )

    def _use(self, calls: Iterable[CallT]) -> None:
        """Say whose adapter each row of the next pass has."""
        self._model.text.adapters.use([self._calls[call].adapter for call in calls])

    def _decode(self, desk: Desk[CallT], group: _Group[CallT]) -> None:
        if not group.lines:
            return
        self._served = tuple(dict.fromkeys(line.call for line in group.lines))
        self._tried = self._running
        self._use(line.call for line in group.lines)
        read = False
        try:
            scores = group.batch.forward([line.ids[-1] for line in group.lines])
            read = True
            choose(desk, self._calls, group.lines, scores)
        except Exception:
            if read or group.batch is not self._shared:  # keys and values are a token ahead
                self._dissolve(group)
            raise
        self._sweep()

    def _read(self, desk: Desk[CallT]) -> None:
        import torch

        found = self._next()
        if not found:
            return
        self._served = tuple(waiting.call for waiting in found)
        self._tried = self._running + len(found)
        self._use(self._served)
        output, mask = encode(self._model, [waiting.prompt for waiting in found])
        begun = begin(self._model, output, mask, [waiting.lines[0].ids for waiting in found])
        lines = [line for waiting in found for line in waiting.lines]
        counts = torch.tensor([len(waiting.lines) for waiting in found], device=mask.device)
        choose(desk, self._calls, lines, begun.scores.repeat_interleave(counts, dim=0))
        self._waiting = [waiting for waiting in self._waiting if waiting not in found]
        try:
            self._join(found, begun)
        except Exception:
            running = {id(line) for group in self._groups for line in group.lines}
            self._again([line for line in lines if id(line) not in running])
            raise

    def _next(self) -> list[_Waiting[CallT]]:
        """Prompts for the next pass, oldest first; their answers begin equally long."""
        found: list[_Waiting[CallT]] = []
        rows, longest = self._running, 0
        for waiting in self._waiting:
            rows += len(waiting.lines)
            if rows > self._limit.most and rows > len(waiting.lines):
                break  # whoever came first goes first
            longest = max(longest, len(waiting.prompt))
            if found and (
                self._shared is None
                or longest * (len(found) + 1) > READ_TOKENS
                or len(waiting.lines[0].ids) != len(found[0].lines[0].ids)
            ):
                break
            found.append(waiting)
        return found

    def _join(self, found: Sequence[_Waiting[CallT]], begun: Begun) -> None:
        """Let answers that go on join their batch."""
        for number, waiting in enumerate(found):
            left = [line for line in waiting.lines if not self._is_over(line)]
            if self._shared is None:
                if left:
                    batch = OwnBatch(self._model, begun, len(left))
                    self._groups.append(_Group(batch, left))
                continue
            if not self._groups:
                self._groups.append(_Group(self._shared, []))
            for line in left:
                self._shared.join(begun.said(number), begun.read(number))
                self._groups[0].lines.append(line)

    # ------------------------------------------------------------------------ leaving a batch
    def _is_over(self, line: _Line[CallT]) -> bool:
        return line.row.finish_reason is not None or line.call not in self._calls

    def _sweep(self, others: Sequence[_Line[CallT]] = ()) -> None:
        """Take rows that are over, and ``others``, out of their batches."""
        gone = {id(line) for line in others}
        for group in list(self._groups):
            lines = group.lines
            over = [n for n, line in enumerate(lines) if self._is_over(line) or id(line) in gone]
            if len(over) == len(lines):
                self._groups.remove(group)
            try:
                if group.batch is self._shared or len(over) < len(lines):
                    group.batch.leave(over)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                group.lines = [line for n, line in enumerate(lines) if n not in over]
                self._dissolve(group)  # a cancel must not fail: the others are begun again
                continue
            for number in reversed(over):
                lines[number] = lines[-1]
                lines.pop()

    def _dissolve(self, group: _Group[CallT]) -> None:
        """Begin all rows of a batch again."""
        self._groups = [other for other in self._groups if other is not group]
        if self._shared is not None:
            self._shared.clear()
        self._again(group.lines)

    def _again(self, lines: Sequence[_Line[CallT]]) -> None:
        """Put rows in line, in front, to go on where they were."""
        again = [
            _Waiting(line.call, self._calls[line.call].ids, [line])
            for line in lines
            if not self._is_over(line)
        ]
        self._waiting = [*again, *self._waiting]

    def _mend(self) -> bool:
        """Begin all rows again where memory ran out while their buffers were moved."""
        if self._shared is None or self._shared.sound:
            return False
        for group in list(self._groups):
            self._dissolve(group)
        self._shared.clear()
        return True
