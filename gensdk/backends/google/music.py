"""Music from Lyria, over an interaction: words and pictures in, MP3 and lyrics out.

ai.google.dev, page "music generation" (Lyria 3.5): length, lyrics, tempo, key and the absence of a
voice are said in the prompt. A clip is always 30 seconds long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gensdk.catalog.google import GoogleModel, google_model
from gensdk.toolkit import MAX_MEDIA_BYTES, Answer, Notes
from gensdk.types import URL, JsonObject, Media, MusicRequest, MusicResponse

from . import interactions
from .contents import fetched_media
from .files import collected
from .options import GoogleMusicOptions, options_of
from .wire import merge_extra

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["generate", "prepare"]

_TAKEN = frozenset({
    "prompt", "lyrics", "duration_s", "instrumental", "bpm", "key", "format",
})  # fmt: skip


def prepare(
    request: MusicRequest,
    images: Sequence[Media | URL],
    row: GoogleModel,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: There is sound to start from.
    """
    notes.drop_unsupported(
        request, _TAKEN, meaning={"reference_audio"}, reason="Lyria has no such field"
    )
    if request.format not in {None, "mp3"}:
        notes.adapt("format", f"Lyria makes MP3; {request.format} was asked for", "mp3")
    text = "\n".join([request.prompt, *_wishes(request, row, notes)]).strip()
    body: dict[str, Any] = {"model": model, "store": False}
    body["input"] = text
    if images:
        pieces: list[JsonObject] = [{"type": "text", "text": text}]
        pieces += [interactions.said(image) for image in images]
        body["input"] = interactions.turn(pieces)
    return body


def _wishes(request: MusicRequest, row: GoogleModel, notes: Notes) -> Iterator[str]:
    """Fields that Lyria reads in the prompt, as sentences of it."""
    if request.duration_s is not None and row.durations:
        if request.duration_s != row.durations[0]:
            notes.drop("duration_s", f"its clips are always {row.durations[0]} seconds long")
    elif request.duration_s is not None:
        yield _noted("duration_s", f"The piece is {request.duration_s:g} seconds long.", notes)
    if request.bpm is not None:
        yield _noted("bpm", f"Tempo: {request.bpm:g} BPM.", notes)
    if request.key is not None:
        yield _noted("key", f"Key: {request.key}.", notes)
    if request.instrumental:
        yield _noted("instrumental", "Instrumental only, no vocals.", notes)
    if request.lyrics is not None:
        yield _noted("lyrics", f"Lyrics:\n{request.lyrics}", notes)


def _noted(field: str, sentence: str, notes: Notes) -> str:
    notes.adapt(field, f"Lyria reads {field!r} in the prompt, where it was written", sentence)
    return sentence


async def generate(account: Account, request: MusicRequest, context: Context) -> MusicResponse:
    """Make music, once."""
    notes = Notes(account.name, context)
    options = options_of(request, GoogleMusicOptions, account.name, context.model)
    if request.reference_audio is not None:
        notes.refuse("reference_audio", "Lyria takes words and pictures only")
    images = await fetched_media(options.images, context)
    row = google_model(context.model)
    payload = prepare(request, images, row, context.model, notes)
    merge_extra(payload, request, account, context.model)
    answer = await account.post(interactions.PATH, payload, context, max_bytes=MAX_MEDIA_BYTES)
    return await _response(answer, request, account, context, notes)


async def _response(
    answer: Answer, request: MusicRequest, account: Account, context: Context, notes: Notes
) -> MusicResponse:
    """The music in an answer.

    Raises:
        ContentBlockedError: It was held back.
        InvalidResponseError: There is none.
    """
    interaction = interactions.read(answer, account, context)
    found = interactions.media_of(interaction, "audio")
    if not found:
        raise interactions.failure(interaction, answer, account, context)
    audio = await _sound(found[0], answer, account, context)
    if interaction.status not in {"completed", "incomplete"}:
        notes.other(f"Google calls the interaction {interaction.status!r}")
    length = google_model(context.model).durations
    return MusicResponse(
        audio=audio,
        duration_s=float(length[0]) if length else None,
        lyrics=interactions.text_of(interaction) or None,
        provider=account.name,
        model=interaction.model or context.model,
        usage=interactions.usage_of(interaction.usage),
        warnings=notes.warnings,
        request_id=interaction.id,
    )


async def _sound(
    medium: interactions.Medium, answer: Answer, account: Account, context: Context
) -> Media:
    if medium.data:
        data = interactions.bytes_of(medium, answer, account, context)
        audio = Media(data=data, media_type=medium.mime_type or "audio/mpeg")
    else:
        audio = await collected(medium.uri or "", account, context)
    if audio.kind != "audio" or not audio.data:
        message = f"The answer holds {audio.media_type} where music was expected."
        raise account.invalid(message, answer, context)
    return audio
