"""What ``/v1/speech-to-text`` answers, as one small model, and what is made of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    FiniteFloat,
    JsonValue,
)

from gensdk.toolkit import OR_NONE
from gensdk.types import Segment, Word

__all__ = ["Transcript", "audio_events", "segments_of", "timed_characters", "words_of"]

_SENTENCE_ENDS = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f")


class _Item(BaseModel):
    text: str
    type: str = "word"
    start: Annotated[FiniteFloat | None, OR_NONE] = None
    end: Annotated[FiniteFloat | None, OR_NONE] = None
    speaker_id: Annotated[str | None, OR_NONE] = None
    channel_index: Annotated[int | None, OR_NONE] = None
    characters: Annotated[list[dict[str, JsonValue]] | None, OR_NONE] = None

    @property
    def speaker(self) -> str | None:
        """Who says it: a voice, or the channel that it is on."""
        if self.speaker_id is None and self.channel_index is not None:
            return f"channel_{self.channel_index}"
        return self.speaker_id


class Transcript(BaseModel):
    """A transcript. Its text may be empty: silence has none."""

    text: str
    words: list[_Item] | None = None
    language_code: Annotated[str | None, OR_NONE] = None
    language_probability: Annotated[FiniteFloat | None, OR_NONE] = None
    audio_duration_secs: Annotated[FiniteFloat | None, OR_NONE] = None
    transcription_id: Annotated[str | None, OR_NONE] = None


def words_of(heard: Transcript) -> tuple[Word, ...]:
    """The spoken words that have times."""
    return tuple(
        Word(text=item.text, start_s=item.start, end_s=item.end, speaker=item.speaker)
        for item in heard.words or ()
        if item.type == "word" and item.start is not None and item.end is not None
    )


def segments_of(heard: Transcript) -> tuple[Segment, ...]:
    """Sentences, and a new one wherever another speaker begins."""
    found: list[Segment] = []
    run: list[_Item] = []

    def close() -> None:
        spoken = [item for item in run if item.type != "spacing"]
        timed = [item for item in spoken if item.start is not None and item.end is not None]
        text = "".join(item.text for item in run).strip()
        if timed and text:
            first, last = timed[0], timed[-1]
            found.append(
                Segment(
                    text=text,
                    start_s=first.start or 0.0,
                    end_s=last.end or 0.0,
                    speaker=first.speaker,
                )
            )
        run.clear()

    for item in heard.words or ():
        if item.type == "spacing":
            run.append(item)
            continue
        spoken = next((one for one in run if one.type != "spacing"), None)
        if spoken is not None and spoken.speaker != item.speaker:
            close()
        run.append(item)
        if item.text.rstrip().endswith(_SENTENCE_ENDS):
            close()
    close()
    return tuple(found)


def audio_events(heard: Transcript) -> list[JsonValue]:
    """Laughter and the like, with their times."""
    return [
        {"text": item.text, "start_s": item.start, "end_s": item.end}
        for item in heard.words or ()
        if item.type == "audio_event"
    ]


def timed_characters(heard: Transcript) -> list[JsonValue]:
    """Characters with their times, as they came."""
    items: list[Any] = []
    for item in heard.words or ():
        items += item.characters or []
    return items
