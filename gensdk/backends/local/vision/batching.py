"""All calls of a vision-language model in one batch: each is read alone, then they say together.

A prompt with its pictures is read in a pass of its own, in the way the model asks for; from then
on a row is keys, values and positions like those of any text, and joins the batch of ``text``. Its
positions may run ahead of its tokens or behind them, on several axes: a picture of the Qwen family
takes as many positions as it is wide or high, not as many as it has tokens.

Beginnings are not shared between calls: prompts with the same tokens may hold other pictures.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeVar

from ..text.batching import BatchScheduler
from ..text.generation import is_batchable
from ..text.job import TextJob
from ..text.reading import pass_facts
from ..worker import Desk, WorkerLimits
from .generation import SightPlan
from .model import LoadedVision
from .passes import Course

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VisionScheduler", "is_shareable"]

CallT = TypeVar("CallT", bound=Hashable)

_READ_ONCE = frozenset(
    {
        "attention_mask", "batch_num_images", "image_grid_thw", "input_ids", "mm_token_type_ids",
        "second_per_grid_ts", "video_grid_thw",
    }
)  # fmt: skip
"""What processors make, beside what ``generate()`` drops itself, that no later pass looks at."""


def is_shareable(sight: LoadedVision) -> bool:
    """Whether the rows of different calls may share a pass once their prompts have been read.

    As for texts, and nothing but tokens and positions may be asked for by then.
    """
    from transformers import GenerationMixin
    from transformers.generation.utils import MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL

    kind = type(sight.model.network)
    usual = all(
        getattr(kind, name) is getattr(GenerationMixin, name)
        for name in ("prepare_inputs_for_generation", "_update_model_kwargs_for_generation")
    )
    made = {*sight.reader.processor.model_input_names}
    other = made - _READ_ONCE - {*MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL}
    placed = pass_facts(sight.model.network).positions
    return usual and placed and not other and is_batchable(sight.model)


class VisionScheduler(BatchScheduler[CallT]):
    """Serves a model whose rows are keys, values and positions once they have been read."""

    def __init__(self, sight: LoadedVision, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(sight.model, limits)
        self._sight = sight

    @property
    def room(self) -> int:
        """One call is taken in before each step: its pictures are read as it comes in."""
        return min(super().room, 0 if self._waiting else 1)

    def admit(self, call: CallT, job: TextJob) -> None:
        """Read a call's pictures, tokenize its prompt and put it in line to be read."""
        self._enter(call, SightPlan(self._sight, job), job.lookup)

    def _positions(self, tokens: int) -> Tensor:
        """Positions of the next tokens of each row, ``[rows, tokens]`` or ``[axes, rows, …]``."""
        import torch

        plain = super()._positions(tokens)
        axes = list(zip(*(line.shift for line in self._lines), strict=True))
        positions = plain + torch.tensor(axes, device=self._model.device).unsqueeze(-1)
        return positions[0] if len(axes) == 1 else positions

    def _read(self, desk: Desk[CallT]) -> None:
        """Read one prompt: those who get their answers wait for no more than that."""
        if not self._waiting:
            return
        waiting = self._waiting[0]
        if self._lines and len(self._lines) + len(waiting.lines) > self._limit.most:
            return
        self._served = (waiting.call,)
        plan = self._calls[waiting.call]
        assert isinstance(plan, SightPlan)
        self._model.adapters.use([plan.adapter])
        course = Course.of(self._model, plan.inputs)
        scores = course.begin()
        for token in waiting.ids[len(plan.ids) :]:  # it is read again, after lack of memory
            scores = course.go_on(token)
        self.tokens_read += len(waiting.ids)
        waiting.parts = course.parts
        waiting.done = waiting.known = len(waiting.ids)
        for line in waiting.lines:
            line.shift = course.shift
        self._begin(desk, [waiting], scores)
