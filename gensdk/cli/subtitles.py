"""Timed lines of a transcript: as text, as SubRip (``.srt``) and as WebVTT (``.vtt``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from html import escape

from gensdk.errors import InvalidResponseError
from gensdk.types import Segment, TranscriptionResponse, Word

__all__ = ["cues", "srt", "timed_text", "vtt"]

_LONGEST_S = 6.0
_LONGEST = 84
"""Characters of one cue: two lines of 42, the usual limit of subtitles."""
_PAUSE_S = 1.0


def cues(response: TranscriptionResponse) -> list[Segment]:
    """The timed stretches of a transcript, made of its words where it has no segments.

    Raises:
        InvalidResponseError: The model gave no times.
    """
    if response.segments:
        return list(response.segments)
    if response.words:
        return list(_from_words(response.words))
    raise InvalidResponseError(
        "the model gave no times, which subtitles need; choose one that times segments with -m",
        provider=response.provider or None,
        model=response.model or None,
        request_id=response.request_id,
        billed="yes",
    )


def srt(segments: Iterable[Segment]) -> str:
    """SubRip: numbered cues with a comma before the milliseconds."""
    blocks = []
    for number, cue in enumerate(segments, 1):
        times = f"{_clock(cue.start_s, ',')} --> {_clock(_end_s(cue), ',')}"
        speaker = f"{cue.speaker}: " if cue.speaker else ""
        blocks.append(f"{number}\n{times}\n{_line(speaker + cue.text).replace('-->', '→')}\n")
    return "\n".join(blocks)


def vtt(segments: Iterable[Segment]) -> str:
    """WebVTT (w3.org/TR/webvtt1): text escaped, speakers as voice spans."""
    blocks = ["WEBVTT\n"]
    for cue in segments:
        times = f"{_clock(cue.start_s, '.')} --> {_clock(_end_s(cue), '.')}"
        voice = f"<v {escape(_line(cue.speaker), quote=False)}>" if cue.speaker else ""
        blocks.append(f"{times}\n{voice}{escape(_line(cue.text), quote=False)}\n")
    return "\n".join(blocks)


def timed_text(items: Iterable[Segment | Word]) -> str:
    """One line for each stretch or word, its times in front."""
    lines = []
    for item in items:
        speaker = f"{item.speaker}: " if item.speaker else ""
        times = f"[{_clock(item.start_s, '.')} --> {_clock(item.end_s, '.')}]"
        lines.append(f"{times} {_line(speaker + item.text)}\n")
    return "".join(lines)


def _from_words(words: Iterable[Word]) -> Iterator[Segment]:
    """Cues of at least one word."""
    held: list[Word] = []
    for word in words:
        if held and _full(held, word):
            yield _joined(held)
            held = []
        held.append(word)
    yield _joined(held)


def _full(held: list[Word], word: Word) -> bool:
    length = sum(len(item.text.strip()) + 1 for item in held) + len(word.text.strip())
    return (
        length > _LONGEST
        or word.end_s - held[0].start_s > _LONGEST_S
        or word.start_s - held[-1].end_s > _PAUSE_S
        or word.speaker != held[0].speaker
    )


def _joined(words: list[Word]) -> Segment:
    return Segment(
        text=" ".join(word.text.strip() for word in words),
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        speaker=words[0].speaker,
    )


def _line(text: str) -> str:
    """The text in one line: a blank line inside a cue would end it."""
    return " ".join(text.split())


def _end_s(cue: Segment) -> float:
    """The end, or the start where the model gave an end that is none."""
    return cue.end_s if math.isfinite(cue.end_s) and cue.end_s > cue.start_s else cue.start_s


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(max(seconds, 0.0) * 1000) if math.isfinite(seconds) else 0
    rest, milliseconds = divmod(milliseconds, 1000)
    minutes, rest = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}{point}{milliseconds:03d}"
