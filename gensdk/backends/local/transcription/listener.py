"""What the kinds of models have in common: what they are given, what they give, how they end."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gensdk.errors import UnsupportedFeatureError
from gensdk.types import Timestamps

from ..notes import Note
from ..worker import NobodyWaitsError, WorkerFacts
from .job import TranscriptionJob
from .joining import Passage
from .options import LocalTranscriptionOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Array = NDArray[Any]

__all__ = [
    "Draw",
    "Heard",
    "Listener",
    "Plan",
    "StopUnwanted",
    "Take",
    "Weigh",
    "filled",
    "noted",
]


_SHORTEST_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """A job as one model will do it.

    Attributes:
        timestamps: How finely to time the words.
        language: The model's code of the language, None where it finds out or cannot say.
        finds_language: Whether the model is asked for the language first.
        translate: Whether to write English.
        prompt: Tokens that come before the words.
        temperatures: The first to hear at, 0 for the likeliest words; the others to hear again at
            what is doubted.
        options: What is doubted.
        notes: What is done differently from what was asked.
    """

    timestamps: Timestamps = "none"
    language: str | None = None
    finds_language: bool = False
    translate: bool = False
    prompt: tuple[int, ...] = ()
    temperatures: tuple[float, ...] = (0.0,)
    options: LocalTranscriptionOptions = field(default_factory=LocalTranscriptionOptions)
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Take:
    """One window to hear.

    Attributes:
        plan: How.
        samples: float32 ``[time]`` at the model's rate.
        language: The model's code, where it takes one.
        temperature: One of the plan's.
        seed: For words drawn at a temperature.
    """

    plan: Plan
    samples: Array
    language: str | None
    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a window; times count from its first sample.

    Attributes:
        passages: What was said.
        tokens: Tokens written.
        resume: Where to listen again, where the model stopped before the end.
        glue: What stands between words of this language.
        logprob: Log-probability of the tokens on average, where it was measured.
        repeats: Whether it is doubted because it repeats itself.
        unsure: Whether it is doubted because the model is not sure of it.
    """

    passages: tuple[Passage, ...]
    tokens: int
    resume: float | None = None
    glue: str = " "
    logprob: float = 0.0
    repeats: bool = False
    unsure: bool = False


class Listener(Protocol):
    """A loaded model."""

    @property
    def facts(self) -> WorkerFacts:
        """What was loaded, and where."""
        ...

    @property
    def rate(self) -> int:
        """Samples per second."""
        ...

    @property
    def longest_s(self) -> float:
        """The longest window."""
        ...

    def plan(self, job: TranscriptionJob) -> Plan:
        """Check a job against the model.

        Raises:
            UnsupportedFeatureError: The model cannot do what is asked.
            InvalidRequestError: A value makes no sense to it.
        """
        ...

    def key(self, plan: Plan, samples: int) -> Hashable | None:
        """Windows with the same key give the same alone and together, at one temperature.

        None: only alone.
        """
        ...

    def languages(self, windows: Sequence[Array]) -> list[str]:
        """The language of each window, as the model's code."""
        ...

    def listen(self, takes: Sequence[Take], unwanted: Callable[[], list[bool]]) -> list[Heard]:
        """Hear windows of one key and temperature.

        ``unwanted`` says of each whether nobody waits any more.

        Raises:
            NobodyWaitsError: Nobody waits for any of them.
        """
        ...


def filled(samples: Array, rate: int) -> Array:
    """A sound with silence after it where it is too short for the first layers of a network."""
    import numpy

    short = int(_SHORTEST_S * rate) - len(samples)
    return numpy.pad(samples, (0, short)) if short > 0 else samples


def noted(job: TranscriptionJob, parameter: str, reason: str) -> Note:
    """A note of a preference that cannot be honoured; an error where those are wanted."""
    if job.strict:
        raise UnsupportedFeatureError(f"{parameter}: {reason}", provider="local", param=parameter)
    return Note("drop", parameter, reason)


class StopUnwanted:
    """Asked by ``generate`` after each token: ends the rows that nobody waits for any more."""

    def __init__(self, unwanted: Callable[[], list[bool]]) -> None:
        """Ask ``unwanted``, which says of each window whether its caller has gone."""
        self._unwanted = unwanted

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Which rows end; several rows may be one window's beams."""
        import torch

        gone = self._unwanted()
        if all(gone):
            raise NobodyWaitsError
        rows = torch.tensor(gone, device=input_ids.device)
        return rows.repeat_interleave(input_ids.shape[0] // len(gone))


class Draw:
    """Makes the likeliest token one drawn at a temperature, each row from a seed of its own.

    The token with the highest score plus Gumbel noise is distributed as a token drawn from the
    softmax of the scores (Gumbel 1954). ``generate`` draws from torch's global generator, whose
    numbers depend on whatever else draws.
    """

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        """One seed per row."""
        import torch

        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores ``[rows, vocabulary]`` whose highest is the token drawn."""
        import torch

        width = scores.shape[-1]
        uniform = torch.stack(
            [torch.rand(width, generator=one, dtype=torch.float64) for one in self._generators]
        )
        noise = -(-uniform.log()).log()
        return scores.float() / self._temperature + noise.to(scores.device, torch.float32)


class Weigh:
    """Notes how likely each token is that is chosen; ``draw`` makes others the likeliest before."""

    def __init__(self, draw: Draw | None = None) -> None:
        """Note nothing yet."""
        self._draw = draw
        self._steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores ``[rows, vocabulary]`` as they are, or as drawn."""
        shown = scores if self._draw is None else self._draw(input_ids, scores)
        chosen = shown.argmax(-1, keepdim=True)
        self._steps.append(scores.float().log_softmax(-1).gather(-1, chosen)[:, 0])
        return shown

    def rows(self, count: int) -> list[list[float]]:
        """Of each of ``count`` rows the log-probabilities; of none where none were noted."""
        import torch

        if not self._steps:
            return [[]] * count
        noted: list[list[float]] = torch.stack(self._steps, dim=-1).tolist()
        return noted
