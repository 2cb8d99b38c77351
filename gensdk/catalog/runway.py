"""Runway's models: which endpoint answers for them, and what each takes there.

Source: ``runwayml`` 5.24, read 2026-11-21: parameters in ``types/*_create_params.py``, the answer
of a task in ``types/task_retrieve_response.py``; sizes of inputs by docs.dev.runwayml.com
(assets/inputs). Most models are other vendors', resold.

Rule of the room: dated, cited facts and pure look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from gensdk.types import Ability

from .runway_image import TEXT_TO_IMAGE
from .runway_row import TaskRow, task_row
from .runway_video import IMAGE_TO_VIDEO, TEXT_TO_VIDEO, VIDEO_TO_VIDEO

__all__ = [
    "ABILITIES", "AS_OF", "LOOK_S", "MAX_DATA_URI", "MAX_SEED", "MAX_SPEECH", "PICTURE_FIRST",
    "ROWS", "VERSION", "VOICE", "TaskRow", "abilities_of", "row_of",
]  # fmt: skip

AS_OF = date(2026, 11, 21)
"""Day on which the rows were last checked against their sources."""

VERSION = "2024-11-06"
"""Version of the API, sent with every request."""

LOOK_S = 5.0
"""A task is not told anew more often than that (``resources/tasks.py``)."""

MAX_SEED = 2**32 - 1

MAX_DATA_URI: Mapping[str, int] = {"image": 5 * 2**20, "video": 16 * 2**20, "audio": 16 * 2**20}
"""Bytes of a file that is sent inside the body, by its kind."""

MAX_SPEECH: Mapping[str, int] = {"eleven_multilingual_v2": 1000}
"""Characters of speech in one task, where the API says a number."""

PICTURE_FIRST = frozenset({"gen4_image_turbo", "bria_fibo_edit_1_5"})
"""Models that draw from pictures alone."""

VOICE = "Maya"
"""Voice that speaks where none is named: the first of the vendor's list."""

_TEXT_TO_SPEECH: tuple[TaskRow, ...] = (
    task_row("text_to_speech", "seed_audio",
             "loudnessRate outputFormat pitchRate sampleRate speechRate voice",
             formats="wav mp3 ogg_opus", rates=(8000, 16000, 24000, 32000, 44100, 48000)),
    task_row("text_to_speech", "eleven_v4",
             "languageCode nextText previousText seed similarityBoost speed stability style "
             "useSpeakerBoost voice"),
    task_row("text_to_speech", "eleven_multilingual_v2", "voice"),
    task_row("text_to_speech", "eleven_v3",
             "applyTextNormalization languageCode seed similarityBoost speed stability style "
             "useSpeakerBoost voice"),
)  # fmt: skip

_SOUND_EFFECT: tuple[TaskRow, ...] = (
    task_row("sound_effect", "seed_audio",
             "loudnessRate outputFormat pitchRate referenceAudios sampleRate speechRate",
             formats="wav mp3 ogg_opus", rates=(8000, 16000, 24000, 32000, 44100, 48000)),
    task_row("sound_effect", "mirelo_sfx_2_0", "duration format negativePrompt numVariants seed",
             duration_needed=True, formats="mp3 wav flac"),
    task_row("sound_effect", "eleven_text_to_sound_v2", "duration loop"),
)  # fmt: skip

ROWS: tuple[TaskRow, ...] = (
    *TEXT_TO_VIDEO,
    *IMAGE_TO_VIDEO,
    *VIDEO_TO_VIDEO,
    *TEXT_TO_IMAGE,
    *_TEXT_TO_SPEECH,
    *_SOUND_EFFECT,
)
"""Every endpoint that tasks are started at here."""

ABILITIES: Mapping[str, Ability] = {
    "text_to_video": "video",
    "image_to_video": "video",
    "video_to_video": "video",
    "text_to_image": "image",
    "text_to_speech": "speech",
    "sound_effect": "music",
}
"""What an endpoint is for. Sound effects come by the verb for music, as elsewhere."""


def abilities_of(model: str) -> frozenset[Ability]:
    """What a model does; everything where no row knows it."""
    found = frozenset(ABILITIES[row.endpoint] for row in ROWS if model in row.models)
    return found or frozenset(ABILITIES.values())


@lru_cache(maxsize=256)
def row_of(endpoint: str, model: str) -> TaskRow | None:
    """The row of a model at an endpoint; None where the model is known, but not there.

    A model that no row knows may take everything: the server decides.
    """
    rows = [row for row in ROWS if model in row.models]
    if not rows:
        return TaskRow(endpoint, (model,), None)
    return next((row for row in rows if row.endpoint == endpoint), None)
