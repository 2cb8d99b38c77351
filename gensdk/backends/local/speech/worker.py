"""Has texts spoken, one sentence in a step, the calls in turn."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from gensdk.errors import (
    InvalidRequestError,
    LocalError,
    OutOfMemoryError,
    UnsupportedFeatureError,
)
from gensdk.toolkit.sound import Sound, require_format, sound_of, written_rate

from ..calls import CallsWorker
from ..failures import is_out_of_memory
from ..notes import Note
from ..worker import Desk, NobodyWaitsError, WorkerLimits
from .job import Sentence, SpeechJob, Spoken
from .sentences import Piece, is_speakable, pieces
from .speaker import Manner, Reading, Speaker

__all__ = ["SpeechWorker"]

CallT = TypeVar("CallT", bound=Hashable)

_MOST_SHOWN = 80


@dataclass(slots=True)
class _Call:
    """One call in progress.

    Attributes:
        job: What was asked.
        manner: How it is spoken.
        rest: Pieces of text that were not read yet.
        next: The piece that is spoken next, None after the last.
        sounds: What was spoken, with the silence before it.
        skipped: Pieces the model can speak nothing of.
        lost: Letters and digits that were left out.
    """

    job: SpeechJob
    manner: Manner
    rest: Iterator[Piece]
    next: tuple[Piece, Reading] | None = None
    sounds: list[Sound] = field(default_factory=list)
    pauses: bool = False
    skipped: list[str] = field(default_factory=list)
    lost: str = ""


class SpeechWorker(CallsWorker[CallT, _Call]):
    """A model that speaks, and the calls for it, in the order of their turns."""

    def __init__(self, speaker: Speaker, limits: WorkerLimits) -> None:
        """Serve one model."""
        super().__init__(speaker.facts, limits)
        self._speaker = speaker
        self._relieved = False

    def admit(self, call: CallT, job: Any) -> None:
        """Check a call against the model and read its first sentence.

        Raises:
            UnsupportedFeatureError: The model cannot do what is asked, or the job is no speech.
            InvalidRequestError: There is nothing in the text that the model can speak.
            MissingDependencyError: What the file needs is not installed.
        """
        if not isinstance(job, SpeechJob):
            raise UnsupportedFeatureError(
                f"{self._speaker.name} speaks; it does nothing else", provider="local"
            )
        manner = self._speaker.manner(job)
        rate = self._speaker.rate(manner)
        require_format(job.format, None if job.sample_rate in {None, rate} else job.sample_rate)
        state = _Call(job, manner, pieces(job.text, self._speaker.fits))
        self._advance(state)
        if state.next is None:
            raise InvalidRequestError(
                f"there is nothing to speak: {self._speaker.name} knows none of the letters of "
                f"{_shown(job.text)}",
                param="text",
            )
        self._calls[call] = state

    def step(self, desk: Desk[CallT]) -> None:
        """Have the next sentence spoken of the call whose turn it is."""
        call = next((call for call in self._calls if desk.wanted(call)), None)
        if call is None:
            return
        state = self._calls[call]
        try:
            sound = self._spoken(state, partial(_go_on, desk, call))
            self._advance(state)
        except NobodyWaitsError:
            return
        except Exception as error:  # the desk decides what it means
            if is_out_of_memory(error) and not self._relieved:
                raise
            self._end(desk, call, error, _too_large)
            return
        self._relieved = False
        self._calls[call] = self._calls.pop(call)  # the others first
        state.sounds.append(sound)
        if state.job.streams:
            desk.post(call, [Sentence(sound)])
        if state.next is None:
            self.drop(call)
            desk.post(call, [self._result(state)])

    def shrink(self) -> bool:
        """Nothing can be given up; try once more with what others gave up."""
        again, self._relieved = not self._relieved, True
        return again

    def _advance(self, state: _Call) -> None:
        """Read pieces up to one that the model can speak."""
        state.next = None
        for piece in state.rest:
            if not is_speakable(piece.text):
                state.pauses = state.pauses or piece.ends
                continue
            reading = self._speaker.read(piece.text, state.manner)
            if reading.inputs is None:
                state.skipped.append(piece.text)
                continue
            state.lost += reading.lost
            state.next = piece, reading
            return

    def _spoken(self, state: _Call, tick: Any) -> Sound:
        import numpy

        if state.next is None:
            raise LocalError("a call without a next sentence was given a turn")
        piece, reading = state.next
        rate = self._speaker.rate(state.manner)
        seed = (state.job.seed + len(state.sounds)) % 2**63
        try:
            sound = sound_of(self._speaker.speak(reading, state.manner, seed, tick), rate)
        except ValueError as error:
            raise LocalError(f"{self._speaker.name} made no sound: {error}") from error
        silence = self._silence(state, rate) if state.sounds else 0
        state.pauses = piece.ends
        if not silence:
            return sound
        before = numpy.zeros((silence, sound.channels), numpy.int16)
        return Sound(numpy.concatenate([before, sound.samples]), rate)

    def _silence(self, state: _Call, rate: int) -> int:
        """Samples of silence before the next piece."""
        usual, asked = self._speaker.pause_s, state.job.pause_s
        return round(rate * (usual if asked is None else asked)) if state.pauses else 0

    def _result(self, state: _Call) -> Spoken:
        import numpy

        job, manner = state.job, state.manner
        rate, repeats = state.sounds[0].rate, self._speaker.repeats
        details: dict[str, str | int | float | None] = {
            "architecture": self._speaker.name,
            "voice": manner.voice,
            "language": manner.language,
            "seed": job.seed if repeats == "seeded" else None,
            "device": self.facts.device,
            "dtype": self.facts.dtype,
        }
        return Spoken(
            sound=Sound(numpy.concatenate([sound.samples for sound in state.sounds]), rate),
            reproducible=repeats == "always" or (repeats == "seeded" and job.seeded),
            notes=(*manner.notes, *self._notes(state, rate)),
            details=tuple((name, value) for name, value in details.items() if value is not None),
        )

    def _notes(self, state: _Call, rate: int) -> Iterator[Note]:
        job, name = state.job, self._speaker.name
        if state.skipped:
            shown = "; ".join(map(_shown, state.skipped[:3]))
            yield Note("adapt", "text", f"{name} can speak nothing of: {shown}")
        if state.lost:
            letters = "".join(sorted(set(state.lost)))
            yield Note(
                "adapt", "text", f"{name} does not know, and left out: {_shown(letters)}; write "
                "numbers and foreign letters out in words"
            )  # fmt: skip
        written = written_rate(job.format, job.sample_rate or rate)
        if job.sample_rate not in {None, written}:
            message = f"{job.format} has {written} samples per second at the nearest"
            yield Note("adapt", "sample_rate", message, written)


def _go_on(desk: Desk[CallT], call: CallT) -> None:
    if not desk.wanted(call):
        raise NobodyWaitsError


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…")


def _too_large(reason: str) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"the sentence needs more memory than there is; write shorter ones: {reason}"
    )
