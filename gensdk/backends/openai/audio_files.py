"""A sound as a file that the transcription API recognises: by a name with an extension."""

from __future__ import annotations

import io
import wave
from pathlib import PurePosixPath

from gensdk.catalog.openai_media import TranscriptionModel
from gensdk.errors import InvalidRequestError
from gensdk.toolkit import FormFile, Notes
from gensdk.types import Media

__all__ = ["audio_file", "wav_of"]

_EXTENSIONS: dict[str, str] = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "audio/aac": "aac",
}
_SAMPLE_BYTES = 2


def audio_file(
    audio: Media, row: TranscriptionModel, notes: Notes, *, provider: str, model: str
) -> FormFile:
    """The sound as a file of the form; raw samples get a WAV header.

    Raises:
        InvalidRequestError: It is no sound, or raw samples of unknown rate.
        UnsupportedFeatureError: The API does not take this format.
    """
    if audio.media_type == "audio/pcm":
        audio = wav_of(audio, provider=provider, model=model)
        notes.adapt("audio", "the raw samples were sent as a WAV file", "audio/wav")
    if audio.kind not in {"audio", "video"} and audio.media_type != "application/octet-stream":
        raise InvalidRequestError(
            f"audio is {audio.media_type}; give a sound",
            provider=provider,
            model=model,
            param="audio",
        )
    name = PurePosixPath((audio.name or "").replace("\\", "/")).name
    stem, _, given = name.rpartition(".")
    by_bytes = _EXTENSIONS.get(audio.media_type)
    extension = by_bytes or given.lower()
    if not extension or (row.formats and extension not in row.formats):
        taken = ", ".join(sorted(row.formats)) or "files with an extension"
        notes.refuse("audio", f"{audio.media_type} is no format it takes ({taken})")
    if by_bytes and given.lower() in row.formats and _same_family(given.lower(), by_bytes):
        extension = given.lower()
    return FormFile("file", f"{stem or 'audio'}.{extension}", audio.data, audio.media_type)


def _same_family(given: str, found: str) -> bool:
    """Whether the name's own extension says the same as the bytes."""
    families = ({"mp3", "mpeg", "mpga"}, {"mp4", "m4a"})
    return given == found or any({given, found} <= family for family in families)


def wav_of(audio: Media, *, provider: str, model: str) -> Media:
    """16-bit mono samples with a WAV header.

    Raises:
        InvalidRequestError: Their rate is not known.
    """
    if audio.sample_rate is None:
        raise InvalidRequestError(
            "raw PCM says nothing of its rate: give Media(..., sample_rate=24000)",
            provider=provider,
            model=model,
            param="audio",
        )
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_SAMPLE_BYTES)
        file.setframerate(audio.sample_rate)
        file.writeframes(audio.data)
    stem = (audio.name or "audio").rpartition(".")[0] or "audio"
    return Media(data=target.getvalue(), media_type="audio/wav", name=f"{stem}.wav")
