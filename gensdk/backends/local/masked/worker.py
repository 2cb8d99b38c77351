"""All calls of a masked language model: each step fills one gap of every text, in full batches."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..calls import CallsWorker
from ..failures import is_device_failure, is_out_of_memory
from ..job import Job
from ..text.sampling import no_numbers
from ..worker import Desk, WorkerLimits
from .model import MaskedModel
from .plan import MaskedPlan

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MaskedWorker"]

CallT = TypeVar("CallT", bound=Hashable)

_PASS_BYTES = 256 * 2**20
"""Scores of one pass: the network gives some for every token, not only for the gaps."""

_PASS_TOKENS = 16_384

_Line = tuple[tuple[int, ...], int]
"""Tokens of a text, and the gap to look at."""


class MaskedWorker(CallsWorker[CallT, MaskedPlan]):
    """Serves a masked language model."""

    def __init__(self, model: MaskedModel, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(model.encoder.facts, limits)
        self._model = model
        room = _PASS_BYTES if limits.memory_bytes is None else limits.memory_bytes // 2
        bound = min(room, _PASS_BYTES) // (4 * model.vocabulary)
        self._most_tokens = self._pass_tokens = max(1, min(_PASS_TOKENS, bound))
        self._tokens_read = 0
        self._reading: list[int] = []
        self._relieved = False

    def admit(self, call: CallT, job: Job) -> None:
        """Tokenize a call's text and find its gaps."""
        plan = MaskedPlan(self._model, job)
        if not self._calls:
            self._pass_tokens = self._most_tokens  # what was short of memory before is over
        self._calls[call] = plan

    def step(self, desk: Desk[CallT]) -> None:
        """Fill one gap of every text."""
        wanted = [call for call in self._calls if desk.wanted(call)]
        lines = [
            (one.ids, self._calls[call].gap)
            for call in wanted
            for one in self._calls[call].fillings
        ]
        try:
            scores = self._scores(lines, desk, wanted)
        except Exception as error:
            if not (is_out_of_memory(error) and self._relieved and len(self._reading) == 1):
                raise
            whose = [call for call in wanted for _ in self._calls[call].fillings]
            call = whose[self._reading[0]]
            self.drop(call)
            desk.fail(call, error)
            return
        self._relieved = False
        if scores is None:
            return
        start = 0
        for call in wanted:
            plan = self._calls[call]
            own = scores[start : start + len(plan.fillings)]
            start += len(plan.fillings)
            try:
                if not bool(own.isfinite().all()):
                    raise no_numbers()
                plan.fill(own)
                events = plan.ended() if plan.finished else []
            except Exception as error:
                if is_device_failure(error) or is_out_of_memory(error):
                    raise
                del self._calls[call]
                desk.fail(call, error)
                continue
            if plan.finished:
                del self._calls[call]
            desk.post(call, events)

    def shrink(self) -> bool:
        """Read half as many tokens in one pass; a single text is tried once more."""
        self._pass_tokens = max(1, min(self._pass_tokens, self._tokens_read) // 2)
        self._relieved = len(self._reading) <= 1
        return True

    def _scores(
        self, lines: Sequence[_Line], desk: Desk[CallT], calls: Sequence[CallT]
    ) -> Tensor | None:
        """Scores at each line's gap, float32 ``[lines, vocabulary]``; None if nobody waits."""
        import torch

        found: dict[int, Tensor] = {}
        for numbers in self._passes(lines):
            if not any(map(desk.wanted, calls)):
                return None
            self._reading = numbers
            self._tokens_read = len(numbers) * max(len(lines[n][0]) for n in numbers)
            gaps = torch.tensor([lines[n][1] for n in numbers])
            logits = self._forward([lines[n][0] for n in numbers])
            at_gaps = logits[torch.arange(len(numbers)), gaps].float()
            found.update(zip(numbers, at_gaps, strict=True))
        return torch.stack([found[n] for n in range(len(lines))]) if found else None

    def _passes(self, lines: Sequence[_Line]) -> Iterator[list[int]]:
        """Numbers of the lines that are read together, similar lengths side by side."""
        order = sorted(range(len(lines)), key=lambda n: -len(lines[n][0]))
        while order:
            longest = len(lines[order[0]][0])
            most = max(1, self._pass_tokens // longest)
            if not self._model.masks:
                most = min(most, sum(len(lines[n][0]) == longest for n in order))
            yield order[:most]
            order = order[most:]

    def _forward(self, texts: Sequence[tuple[int, ...]]) -> Any:
        import torch

        encoder = self._model.encoder
        longest = max(map(len, texts))
        padding = encoder.tokenizer.pad_token_id or 0
        ids = torch.full((len(texts), longest), padding)
        mask = torch.zeros((len(texts), longest), dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        options = {"attention_mask": mask.to(encoder.facts.device)} if self._model.masks else {}
        output = encoder.network(
            input_ids=ids.to(encoder.facts.device), return_dict=True, **options
        )
        return output.logits
