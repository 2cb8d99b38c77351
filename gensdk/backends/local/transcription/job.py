"""What a call for the words in a sound asks of the engine, and what comes back. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gensdk.types import Media, Timestamps

from ..job import Final, Job
from ..notes import Note
from .joining import Passage
from .options import LocalTranscriptionOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RATE", "Transcribed", "TranscriptionJob"]

RATE = 16_000
"""Samples per second at which sounds are unpacked: nearly every such model was trained at it."""


@dataclass(frozen=True, slots=True, eq=False)
class TranscriptionJob(Job):
    """One call for the words in a sound.

    Attributes:
        media: The sound as a file.
        samples: The same as float32 ``[time]``, one channel, ``RATE`` per second.
        language: The language spoken, None where the model is to find out.
        prompt: Words and style that occur in it.
        keywords: Names and terms to listen for.
        timestamps: How finely to time the words.
        temperature: How freely to choose words; 0 takes the likeliest.
        translate: Whether to write English, whatever is spoken.
        options: What the request says about texts that are doubted; None where it says nothing.
        strict: Whether a preference the model cannot honour is an error.
    """

    media: Media | None = None
    samples: NDArray[Any] | None = None
    language: str | None = None
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    timestamps: Timestamps = "none"
    temperature: float | None = None
    translate: bool = False
    options: LocalTranscriptionOptions | None = None
    strict: bool = False

    @property
    def guidance(self) -> str:
        """Keywords and prompt as one text, for models that read one."""
        return ". ".join(text for text in (", ".join(self.keywords), self.prompt) if text)


@dataclass(frozen=True, slots=True)
class Transcribed(Final):
    """The call is complete.

    Attributes:
        passages: What was said, in order.
        timestamps: How finely it was to be timed.
        language: What was spoken, as an ISO 639 code, where the model says.
        duration_s: Length of the sound.
        tokens: Tokens written.
        notes: What was done differently from what was asked.
        details: Facts: device, number format, windows, and how often one was heard again.
    """

    passages: tuple[Passage, ...]
    timestamps: Timestamps
    language: str | None
    duration_s: float
    tokens: int
    notes: tuple[Note, ...] = ()
    details: tuple[tuple[str, str | int], ...] = ()
