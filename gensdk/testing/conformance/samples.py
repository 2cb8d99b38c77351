"""Requests that every backend of an ability can be asked, and a value for every field of theirs."""

from __future__ import annotations

import array
import io
import struct
import wave
import zlib
from collections.abc import Mapping
from typing import Any

from gensdk.types import (
    Ability,
    AudioPart,
    EmbedRequest,
    FilePart,
    ImagePart,
    ImageRequest,
    Media,
    Message,
    ModerationRequest,
    MusicRequest,
    Request,
    SpeechRequest,
    TextRequest,
    Tool,
    ToolCallPart,
    TranscriptionRequest,
    VideoRequest,
)

__all__ = ["FIELDS", "PARTS", "PLAIN", "TOOL", "fields_of", "picture", "sound"]


def picture(side: int = 64) -> Media:
    """A grey square as PNG."""
    rows = (b"\0" + b"\x80\x80\x80" * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return Media(data=b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def sound(seconds: float = 0.25, rate: int = 16_000) -> Media:
    """A low saw as WAV."""
    samples = array.array("h", [(at * 40) % 2000 - 1000 for at in range(int(seconds * rate))])
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, rate, len(samples), "NONE", ""))
        written.writeframes(samples.tobytes())
    return Media(data=file.getvalue(), name="saw.wav")


PLAIN: Mapping[Ability, Request] = {
    "text": TextRequest(prompt="Say hello."),
    "image": ImageRequest(prompt="a grey square"),
    "speech": SpeechRequest(text="Hello."),
    "music": MusicRequest(prompt="calm piano"),
    "transcribe": TranscriptionRequest(audio=sound()),
    "video": VideoRequest(prompt="a paper boat"),
    "embed": EmbedRequest(inputs=("a cat", "a kitten")),
    "moderate": ModerationRequest(inputs=("a friendly text",)),
}
"""A plain request of each ability: nothing set but what it is about."""

TOOL = Tool(name="look", description="Look at the sky.")
_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}

FIELDS: Mapping[Ability, Mapping[str, Mapping[str, Any]]] = {
    "text": {
        "system": {"system": "Be brief."},
        "max_tokens": {"max_tokens": 16},
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.5},
        "top_k": {"top_k": 5},
        "min_p": {"min_p": 0.1},
        "presence_penalty": {"presence_penalty": 0.5},
        "frequency_penalty": {"frequency_penalty": 0.5},
        "logit_bias": {"logit_bias": {7: 1.0}},
        "seed": {"seed": 7},
        "stop": {"stop": ("zebra",)},
        "n": {"n": 2},
        "logprobs": {"logprobs": 2},
        "output": {"output": _SCHEMA},
        "tools": {"tools": (TOOL,)},
        "tool_choice": {"tools": (TOOL,), "tool_choice": "none"},
        "parallel_tool_calls": {"tools": (TOOL,), "parallel_tool_calls": False},
        "reasoning_effort": {"reasoning_effort": "low"},
        "verbosity": {"verbosity": "low"},
        "user_id": {"user_id": "user-1"},
        "service_tier": {"service_tier": "flex"},
        "cache_key": {"cache_key": "group-1"},
        "metadata": {"metadata": {"case": "1"}},
    },
    "image": {
        "images": {"images": (picture(),)},
        "mask": {"images": (picture(),), "mask": picture()},
        "size": {"size": "1024x1024"},
        "aspect_ratio": {"aspect_ratio": "1:1", "size": None},
        "n": {"n": 2},
        "seed": {"seed": 7},
        "quality": {"quality": "high"},
        "style": {"style": "vivid"},
        "negative_prompt": {"negative_prompt": "a circle"},
        "steps": {"steps": 2},
        "guidance_scale": {"guidance_scale": 3.0},
        "strength": {"images": (picture(),), "strength": 0.5},
        "background": {"background": "opaque"},
        "format": {"format": "jpeg"},
        "compression": {"format": "jpeg", "compression": 60},
        "moderation": {"moderation": "low"},
        "user_id": {"user_id": "user-1"},
    },
    "speech": {
        "voice": {"voice": "coral"},
        "instructions": {"instructions": "Whisper."},
        "speed": {"speed": 1.5},
        "language": {"language": "en"},
        "format": {"format": "wav"},
        "sample_rate": {"sample_rate": 22_050},
        "seed": {"seed": 7},
    },
    "music": {
        "lyrics": {"lyrics": "La la la"},
        "duration_s": {"duration_s": 1.0},
        "instrumental": {"instrumental": True},
        "bpm": {"bpm": 120.0},
        "key": {"key": "C minor"},
        "negative_prompt": {"negative_prompt": "drums"},
        "seed": {"seed": 7},
        "steps": {"steps": 2},
        "guidance_scale": {"guidance_scale": 3.0},
        "reference_audio": {"reference_audio": sound()},
        "format": {"format": "wav"},
        "sample_rate": {"sample_rate": 16_000},
    },
    "transcribe": {
        "language": {"language": "en"},
        "prompt": {"prompt": "A talk about boats."},
        "keywords": {"keywords": ("gensdk",)},
        "timestamps": {"timestamps": "word"},
        "diarize": {"diarize": True},
        "temperature": {"temperature": 0.2},
        "translate": {"translate": True},
    },
    "video": {
        "first_frame": {"first_frame": picture()},
        "last_frame": {"first_frame": picture(), "last_frame": picture()},
        "references": {"references": (picture(),)},
        "video": {"video": Media(data=b"\0\0\0\x18ftypisom", name="clip.mp4")},
        "duration_s": {"duration_s": 2.0},
        "size": {"size": "1280x720"},
        "aspect_ratio": {"aspect_ratio": "16:9", "size": None},
        "resolution": {"resolution": "720p", "size": None},
        "fps": {"fps": 24.0},
        "n": {"n": 2},
        "seed": {"seed": 7},
        "negative_prompt": {"negative_prompt": "rain"},
        "audio": {"audio": True},
        "steps": {"steps": 2},
        "guidance_scale": {"guidance_scale": 3.0},
        "strength": {"first_frame": picture(), "strength": 0.5},
        "format": {"format": "mp4"},
        "user_id": {"user_id": "user-1"},
    },
    "embed": {
        "dimensions": {"dimensions": 8},
        "task": {"task": "query"},
        "user_id": {"user_id": "user-1"},
    },
    "moderate": {"images": {"images": (picture(),)}},
}
"""A value for every portable field, with what it cannot be without."""

PARTS: Mapping[str, tuple[Message, ...]] = {
    "a picture": (Message.user("Look.", ImagePart(image=picture())),),
    "a sound": (Message.user("Look.", AudioPart(audio=sound())),),
    "a file": (
        Message.user("Look.", FilePart(file=Media(data=b"%PDF-1.4\n%%EOF\n", name="a.pdf"))),
    ),
    "a system message": (Message.system("Be brief."), Message.user("Look.")),
    "an earlier answer": (Message.user("Hi."), Message.assistant("Yes?"), Message.user("Look.")),
    "a tool and its result": (
        Message.user("Look."),
        Message.assistant(ToolCallPart(id="call_1", name="look", arguments={"far": True})),
        Message.tool("call_1", "clouds"),
    ),
}
"""Conversations that hold more than ``Look.``"""

_EVERY: Mapping[str, Mapping[str, Any]] = {"extra": {"extra": {"conformance_field": 1}}}


def fields_of(
    ability: Ability, own: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Mapping[str, Any]]:
    """The fields to try with a model, the author's values first."""
    return {**FIELDS[ability], **_EVERY, **own}
