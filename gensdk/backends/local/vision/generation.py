"""One call being answered: the prompt with its pictures is read once, then each row goes on.

This is the way of models whose rows cannot share a pass; the others go through ``batching``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..job import Event, Job
from ..text.checks import text_job
from ..text.plan import Plan
from ..text.row import Row
from ..text.sampling import sample
from .model import LoadedVision
from .passes import Course
from .prompt import read_prompt

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Generation", "SightPlan"]


class SightPlan(Plan):
    """What is to be done for one call, and what the network reads first.

    Attributes:
        inputs: What the processor made of prompt and pictures.
    """

    def __init__(self, sight: LoadedVision, job: Job, *, guesses: bool = True) -> None:
        """Read the pictures, tokenize the prompt and prepare the rows.

        Raises:
            ContextLengthError: Prompt and pictures leave no room for an answer.
            InvalidRequestError: The request does not fit this model.
            UnsupportedFeatureError: The job is for a model of another kind.
        """
        job = text_job(job)
        prompt, self.inputs = read_prompt(sight.reader, job)
        super().__init__(sight.model, job, prompt, guesses=guesses)


class Generation:
    """A call in progress. Every method runs in the model's worker thread, in inference mode."""

    def __init__(self, sight: LoadedVision, job: Job) -> None:
        """Prepare the first step; errors as in ``SightPlan``."""
        self._model = sight.model
        self._plan = SightPlan(sight, job, guesses=False)
        self._running: list[tuple[Row, list[int]]] = [(row, []) for row in self._plan.rows]
        self._courses: list[Course] = []
        self._taking = False

    @property
    def finished(self) -> bool:
        """Whether every row has ended."""
        return self._plan.finished

    @property
    def adapter(self) -> str | None:
        """Name of the adapter that answers."""
        return self._plan.adapter

    def step(self) -> list[Event]:
        """Read the prompt, or let every running row choose one more token."""
        import torch

        self._model.adapters.use([self.adapter])
        if self._courses:
            found = [
                course.go_on(said[-1])
                for course, (_, said) in zip(self._courses, self._running, strict=True)
            ]
        else:
            found = self._begin()
        return self._choose(torch.cat(found))

    def restart(self) -> bool:
        """Free the memory, to read again what was said; False where a token is half taken."""
        self._courses = []
        return not self._taking

    def _begin(self) -> list[Tensor]:
        """Read the prompt, and what each row has said; its scores, ``[1, vocabulary]`` each."""
        first = Course.of(self._model, self._plan.inputs)
        scores = first.begin()
        courses = [first, *(first.fork() for _ in self._running[1:])]
        found: list[Tensor] = []
        for course, (_, said) in zip(courses, self._running, strict=True):
            latest = scores
            for token in said:
                latest = course.go_on(token)
            found.append(latest)
        self._courses = courses
        return found

    def _choose(self, scores: Tensor) -> list[Event]:
        tokens = sample(scores, [row.sampler for row, _ in self._running])
        events: list[Event] = []
        self._taking = True
        for (row, said), token, raw in zip(self._running, tokens, scores, strict=True):
            said.append(token)
            events += row.push(token, raw, self._plan.limit)
        self._taking = False
        left = [n for n, (row, _) in enumerate(self._running) if row.finish_reason is None]
        self._running = [self._running[n] for n in left]
        self._courses = [self._courses[n] for n in left]
        return [*events, self._plan.ended()] if self.finished else events
