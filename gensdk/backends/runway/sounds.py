"""Speech over ``/v1/text_to_speech``, sound effects over ``/v1/sound_effect``."""

from __future__ import annotations

from typing import Any

from gensdk.catalog.runway import VOICE, TaskRow
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import AudioFormat, MusicRequest, SpeechRequest

from .inputs import address_of
from .options import RunwaySoundOptions, RunwaySpeechOptions, add_options
from .videos import seed_of

__all__ = ["effect_of", "media_of", "speech_of"]

_SLOWEST, _FASTEST = 0.7, 1.2
_SHORTEST_S, _LONGEST_S = 0.5, 30.0
_EFFECT_S = 5.0
"""Length where the API needs one and none was asked for."""
_SPOKEN_LIKE = "seed_audio"
_FORMATS: dict[AudioFormat, str] = {"opus": "ogg_opus"}
_NO_FIELD = "the API has no such field"
_NEVER = ("lyrics", "instrumental", "bpm", "key", "steps", "guidance_scale")


def speech_of(
    request: SpeechRequest, options: RunwaySpeechOptions, row: TaskRow, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of speech.

    Raises:
        UnsupportedFeatureError: The model speaks with a sound's voice, not with a named one.
    """
    body: dict[str, Any] = {"model": model, "promptText": request.text}
    if model == _SPOKEN_LIKE:
        if request.voice is not None:
            notes.refuse("voice", "it speaks like a sound; extra={'voice': {…, 'audioUri': …}}")
    else:
        body["voice"] = {"type": "runway-preset", "presetId": request.voice or VOICE}
    if request.language is not None:
        _put("language", "languageCode", request.language, row, notes, body)
    if request.speed is not None:
        _add_speed(request.speed, row, model, notes, body)
    if request.instructions is not None:
        notes.drop("instructions", "write directions into the text, as [whispers], from v3 on")
    seed = seed_of(request.seed, row, notes)
    if seed is not None:
        body["seed"] = seed
    _add_format(request.format, request.sample_rate, row, notes, body)
    add_options(body, options, row, notes)
    return body


def effect_of(
    request: MusicRequest, options: RunwaySoundOptions, row: TaskRow, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of a sound effect, without the sound it is made of.

    Raises:
        UnsupportedFeatureError: The model takes no sound, or none of that length is made.
    """
    if request.reference_audio is not None and not row.takes("referenceAudios"):
        notes.refuse("reference_audio", "the model makes sounds of words only")
    if not request.prompt:
        notes.refuse("prompt", "a sound effect is made of words; give a prompt")
    body: dict[str, Any] = {"model": model, "promptText": request.prompt}
    _add_length(request.duration_s, row, notes, body)
    if request.negative_prompt is not None:
        _put("negative_prompt", "negativePrompt", request.negative_prompt, row, notes, body)
    seed = seed_of(request.seed, row, notes)
    if seed is not None:
        body["seed"] = seed
    for name in _NEVER:
        if getattr(request, name) is not None:
            notes.drop(name, _NO_FIELD)
    _add_format(request.format, request.sample_rate, row, notes, body)
    add_options(body, options, row, notes)
    return body


async def media_of(request: MusicRequest, context: Context) -> dict[str, Any]:
    """The field of the sound an effect is made of."""
    if request.reference_audio is None:
        return {}
    item = request.reference_audio
    return {"referenceAudios": [await address_of(item, "audio", "reference_audio", context)]}


def _put(
    name: str, field: str, value: object, row: TaskRow, notes: Notes, body: dict[str, Any]
) -> None:
    if row.takes(field):
        body[field] = value
    else:
        notes.drop(name, "the model has no such field")


def _add_speed(speed: float, row: TaskRow, model: str, notes: Notes, body: dict[str, Any]) -> None:
    held = min(max(speed, _SLOWEST), _FASTEST) if model == "eleven_v3" else speed
    _put("speed", "speed", held, row, notes, body)
    if "speed" in body and held != speed:
        notes.adapt("speed", "It speaks at 0.7 to 1.2 times.", held)


def _add_length(wanted: float | None, row: TaskRow, notes: Notes, body: dict[str, Any]) -> None:
    if wanted is None:
        if row.duration_needed:
            body["duration"] = _EFFECT_S
        return
    if not row.takes("duration"):
        notes.drop("duration_s", "the model decides")
        return
    held = min(max(wanted, _SHORTEST_S), _LONGEST_S) if row.known else wanted
    if abs(held - wanted) > wanted / 2:
        notes.refuse("duration_s", f"it makes sounds of {_SHORTEST_S:g} to {_LONGEST_S:g} s")
    if held != wanted:
        notes.adapt("duration_s", f"Sounds end at {_LONGEST_S:g} s.", held)
    body["duration"] = held


def _add_format(
    wanted: AudioFormat | None,
    rate: int | None,
    row: TaskRow,
    notes: Notes,
    body: dict[str, Any],
) -> None:
    if wanted is not None:
        word = _FORMATS.get(wanted, wanted)
        field = "format" if row.takes("format") and row.known else "outputFormat"
        if not row.known or word in row.formats:
            body[field] = word
        elif row.formats:
            body[field] = row.formats[0]
            notes.adapt("format", f"It writes {', '.join(row.formats)}.", row.formats[0])
        elif wanted != "mp3":
            notes.drop("format", "the sound is an MP3")
    if rate is None:
        return
    if not row.rates:
        _put("sample_rate", "sampleRate", rate, row, notes, body)
        return
    body["sampleRate"] = min(row.rates, key=lambda one: abs(one - rate))
    if body["sampleRate"] != rate:
        notes.adapt("sample_rate", "It writes certain rates.", body["sampleRate"])
