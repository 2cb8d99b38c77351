"""All calls of a model in one batch: they join and leave between steps.

One step lets every running row choose its next token in one forward pass, and then reads prompts
of calls that wait, up to ``READ_TOKENS`` tokens: so those who already get their answers never wait
for more than that, and a new call gets its first token in the step that has read its prompt. A
prompt that is longer than that shares a step with short ones, so that they need not wait for it.

When memory runs out, stored beginnings go first, then the youngest rows: they are read again later
with what they have said so far, and go on where they were.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..calls import CallsWorker
from ..failures import is_device_failure, is_out_of_memory
from ..relief import RowLimit, attempt
from ..worker import Desk, WorkerLimits
from .choosing import choose
from .job import TextJob
from .lines import WORTH_SHARING, Line, Waiting, gains
from .lookup import Lookup
from .model import LoadedModel
from .plan import Plan
from .prefix import PrefixStore
from .reading import Piece, first_of, joined, pass_facts, read
from .slots import Slots

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["READ_TOKENS", "BatchScheduler"]

CallT = TypeVar("CallT", bound=Hashable)

READ_TOKENS = 512
"""Prompt tokens read in one step."""

_PASSES_AT_FIRST = 3
"""Times that many, while more calls wait than run: a fuller batch is worth a short stall."""

_PREFIX_BYTES = 256 * 2**20


class BatchScheduler(CallsWorker[CallT, Plan]):
    """Serves a model whose cache is plain keys and values."""

    def __init__(self, model: LoadedModel, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(model.facts, limits)
        self._model = model
        self._asks = pass_facts(model.network)
        self._lines: list[Line[CallT]] = []
        self._waiting: list[Waiting[CallT]] = []
        self._slots = Slots()
        quarter = None if limits.memory_bytes is None else limits.memory_bytes // 4
        self._store = PrefixStore(_PREFIX_BYTES if quarter is None else quarter)
        self._limit = RowLimit()
        self._ahead = True
        self._served: tuple[CallT, ...] = ()
        self.tokens_read = 0

    def admit(self, call: CallT, job: TextJob) -> None:
        """Tokenize a call's prompt and put it in line to be read."""
        self._enter(call, Plan(self._model, job), job.lookup)

    def _enter(self, call: CallT, plan: Plan, lookup: int) -> None:
        if not self._calls:  # what was short of memory before is over
            self._ahead = True
            self._limit.reset()
        self._calls[call] = plan
        self._model.adapters.tidy({other.adapter for other in self._calls.values()})
        lines = [Line(call, row, list(plan.ids), plan.adapter) for row in plan.rows]
        if lookup and len(lines) == 1:
            lines[0].lookup = Lookup(lines[0].ids, lookup)
        self._waiting.append(Waiting(call, plan.ids, lines))

    def drop(self, call: CallT) -> None:
        """Forget a call; its rows leave the batch."""
        self._mend()
        super().drop(call)
        self._waiting = [waiting for waiting in self._waiting if waiting.call != call]
        self._leave([line for line in self._lines if line.call == call])

    def step(self, desk: Desk[CallT]) -> None:
        """Let every running row choose a token, then read prompts."""
        self._limit.step()
        for work in (self._decode, self._read):
            attempt(
                desk,
                partial(work, desk),
                active=self._calls,
                served=lambda: self._served,
                drop=self.drop,
                hopeless=self._hopeless,
            )
        self._limit.went_well()

    def shrink(self) -> bool:
        """Give up stored beginnings, then the younger half of the rows, to be read again later."""
        held = self._store.memory_bytes or any(waiting.parts for waiting in self._waiting)
        held = held or self._slots.coming
        self._ahead, self._slots.coming = False, 0
        self._store.clear()
        for waiting in self._waiting:
            waiting.restart()
        mended = self._mend()
        if held or mended:
            return True
        self._limit.halve(len(self._lines) or len(self._served))
        young = self._lines[self._limit.most :]
        self._leave(young)
        self._read_again(young)
        return True

    def _mend(self) -> bool:
        """Read all rows again where memory ran out while their buffers were moved."""
        if self._slots.sound:
            return False
        lost, self._lines = self._lines, []
        self._slots.clear()
        self._read_again(lost)
        return True

    def _read_again(self, lines: Sequence[Line[CallT]]) -> None:
        """Put rows in line, in front, to go on where they were."""
        left = [line for line in lines if not self._is_over(line)]
        again = [Waiting(line.call, list(line.ids), [line]) for line in left]  # its own grow on
        self._waiting = [*again, *self._waiting]

    def _wanted(self, desk: Desk[CallT]) -> bool:
        """Whether anybody waits for another pass; nobody does when the engine is to end."""
        return any(map(desk.wanted, self._calls))

    def _hopeless(self) -> bool:
        """Whether one row alone has everything there is, and it was not enough twice."""
        kept = self._store.memory_bytes or any(waiting.parts for waiting in self._waiting)
        running = {line.call for line in self._lines}
        rows = len(self._lines) + sum(call not in running for call in self._served)
        alone = not kept and rows <= 1 and self._slots.sound and not self._slots.coming
        return alone and self._limit.is_spent()

    # -------------------------------------------------------------------------- running rows
    def _decode(self, desk: Desk[CallT]) -> None:
        if not self._lines:
            return
        self._served = tuple(dict.fromkeys(line.call for line in self._lines))
        guess = self._guess()
        self._slots.make_room_for_step(1 + len(guess))
        scores = self._forward(guess)
        if guess:
            self._choose_along(desk, self._lines[0], guess, scores[0])
        else:
            choose(desk, self._calls, self._lines, scores[:, -1])
            self._slots.advance()  # only now: without memory to choose, the pass is made again
        self._leave([line for line in self._lines if self._is_over(line)])

    def _expect(self) -> None:
        """Tell the buffer how many rows wait, so that it grows once for all of them."""
        waiting = sum(len(waiting.lines) for waiting in self._waiting) if self._ahead else 0
        self._slots.coming = max(0, min(waiting, self._limit.most - len(self._lines)))

    def _is_over(self, line: Line[CallT]) -> bool:
        return line.row.finish_reason is not None or line.call not in self._calls

    def _guess(self) -> list[int]:
        """What the only row may say next; nothing where others share its passes."""
        line = self._lines[0]
        if line.lookup is None or len(self._lines) > 1 or self._waiting:
            return []
        plan = self._calls[line.call]
        left = plan.limit - (len(line.ids) - len(plan.ids))
        return line.lookup.guess()[: max(0, left - 1)]

    def _forward(self, guess: Sequence[int] = ()) -> Tensor:
        """Scores of every running row, float32 ``[rows, 1 + guessed, vocabulary]``."""
        import torch

        model, slots = self._model, self._slots
        model.adapters.use([line.adapter for line in self._lines])
        ids = torch.tensor([[line.ids[-1], *guess] for line in self._lines], device=model.device)
        options: dict[str, Any] = {"past_key_values": slots.cache()}
        visible = slots.visible(model.device)
        if visible is not None:
            options["attention_mask"] = visible[:, None, None] if self._asks.masks else visible
        if self._asks.positions:
            options["position_ids"] = self._positions(ids.shape[1])
        output = model.network(input_ids=ids, use_cache=True, return_dict=True, **options)
        scores: Tensor = output.logits.float()
        return scores

    def _positions(self, tokens: int) -> Tensor:
        """Positions of the next tokens of each row."""
        return self._slots.positions(self._model.device, tokens)

    def _choose_along(
        self, desk: Desk[CallT], line: Line[CallT], guess: Sequence[int], scores: Tensor
    ) -> None:
        """Choose token after token, as far as the guess was right; scores ``[guessed + 1, …]``."""
        right, known = 0, len(line.ids)
        try:
            for place in range(len(guess) + 1):
                choose(desk, self._calls, [line], scores[place : place + 1])
                if self._is_over(line) or place == len(guess) or line.ids[-1] != guess[place]:
                    break
                right += 1
        finally:
            self._slots.advance(len(line.ids) - known)
        if line.lookup is not None:
            line.lookup.judge(len(guess), right)

    def _leave(self, lines: Sequence[Line[CallT]]) -> None:
        """Take rows out of the batch; the last one takes the number of one that leaves."""
        gone = {id(line) for line in lines}
        try:
            for number in range(len(self._lines) - 1, -1, -1):
                if id(self._lines[number]) in gone:
                    self._slots.leave(number)
                    self._lines[number] = self._lines[-1]
                    self._lines.pop()
            if gone or self._slots.coming:  # who was expected may have been given up
                self._expect()
                self._slots.give_back()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._lines = [line for line in self._lines if id(line) not in gone]
            self._mend()  # a cancel must not fail: the others are read again

    # ------------------------------------------------------------------------ reading prompts
    def _read(self, desk: Desk[CallT]) -> None:
        many = len(self._waiting) > len(self._lines)
        budget = _PASSES_AT_FIRST * READ_TOKENS if many else READ_TOKENS
        while (
            budget > 0 and self._wanted(desk) and (group := self._group(min(budget, READ_TOKENS)))
        ):
            desk.deliver()  # what was said so far need not wait for this pass
            self._served = tuple(waiting.call for waiting in group)
            part = min(budget, READ_TOKENS)
            pieces = [Piece(w.ids[w.done : w.done + part], w.done) for w in group]
            head = group[0]
            before = head.parts or first_of(head.prefix, head.done)
            self._model.adapters.use([head.adapter])
            try:
                scores, found = read(self._model, self._asks, pieces, before)
            except Exception as error:
                if len(group) == 1 or is_out_of_memory(error) or is_device_failure(error):
                    raise
                _apart(group)
                continue
            if len(group) > 1 and not bool(scores.isfinite().all()):
                _apart(group)
                continue
            size = sum(len(piece.ids) for piece in pieces)
            budget -= size
            self.tokens_read += size
            for waiting, piece, made in zip(group, pieces, found, strict=True):
                waiting.parts = joined(before, made)
                waiting.done += len(piece.ids)
            if not head.left:
                self._begin(desk, group, scores)

    def _group(self, budget: int) -> list[Waiting[CallT]]:
        """The texts of the next pass: short ones with the same beginning, or part of a long one.

        One that is short, but too long to share a pass with a long one, then counts as long.
        """
        if len(self._lines) >= self._limit.most:
            return []
        short = [w for w in self._waiting if self._look_up(w).left <= READ_TOKENS and not w.parts]
        long = next((w for w in self._waiting if w.left > READ_TOKENS or w.parts), None)
        if long is not None:
            half = READ_TOKENS // 2
            long = next(w for w in self._waiting if w.left > half or w.parts)
            if budget < READ_TOKENS:
                return [long]
            budget = half
        group: list[Waiting[CallT]] = []
        others = [w for w in self._waiting if w.parts]
        rows, size = len(self._lines), 0
        for waiting in short:
            if any(gains(waiting, other) for other in (*others, *group)):
                continue
            alike = not group or (
                waiting.prefix is group[0].prefix
                and waiting.done == group[0].done
                and waiting.adapter == group[0].adapter
                and not waiting.alone
            )
            fits = rows + len(waiting.lines) <= max(self._limit.most, len(waiting.lines))
            if not fits:
                break  # whoever came first goes first
            if alike and size + waiting.left <= budget:
                group.append(waiting)
                rows, size = rows + len(waiting.lines), size + waiting.left
                if waiting.alone or not self._asks.masks:
                    break
        return group or ([] if long is None else [long])

    def _look_up(self, waiting: Waiting[CallT]) -> Waiting[CallT]:
        if not waiting.parts and waiting.looked != self._store.version:
            waiting.looked = self._store.version
            waiting.prefix, waiting.known = self._store.find(waiting.ids, waiting.adapter)
            waiting.done = waiting.known
        return waiting

    def _begin(self, desk: Desk[CallT], group: Sequence[Waiting[CallT]], scores: Tensor) -> None:
        """Let the rows of texts that were read choose their first token and join the batch."""
        import torch

        lines = [line for waiting in group for line in waiting.lines]
        counts = torch.tensor([len(waiting.lines) for waiting in group], device=scores.device)
        choose(desk, self._calls, lines, scores.repeat_interleave(counts, dim=0))
        self._expect()
        self._waiting = [waiting for waiting in self._waiting if waiting not in group]
        for number, waiting in enumerate(group):
            left = [line for line in waiting.lines if not self._is_over(line)]
            try:
                for line in left:
                    self._slots.join(waiting.parts)
                    self._lines.append(line)
            except Exception:
                later = [line for other in group[number + 1 :] for line in other.lines]
                lost = [line for line in (*left, *later) if line not in self._lines]
                self._read_again(lost)
                raise
            if len(waiting.ids) - waiting.known >= WORTH_SHARING:
                self._keep(waiting)

    def _keep(self, waiting: Waiting[CallT]) -> None:
        """Store the beginning that was read; where there is no memory for it, none is stored."""
        try:
            self._store.add(waiting.ids, waiting.parts, waiting.adapter)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._store.clear()


def _apart(group: Sequence[Waiting[Any]]) -> None:
    """Let each be read alone: one of them spoils the others."""
    for waiting in group:
        waiting.alone = True
