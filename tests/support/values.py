"""Strategies for the values of ``gensdk.types``, and one full example of each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from gensdk.types import (
    URL,
    Attempt,
    AudioPart,
    Candidate,
    Cost,
    EmbedRequest,
    EmbedResponse,
    FilePart,
    ImagePart,
    ImageRequest,
    ImageResponse,
    Media,
    Message,
    ModerationRequest,
    ModerationResponse,
    MusicRequest,
    MusicResponse,
    OutputSchema,
    PrivateData,
    ReasoningPart,
    RefusalPart,
    Request,
    Response,
    ResponseWarning,
    Segment,
    SpeechRequest,
    SpeechResponse,
    TextPart,
    TextRequest,
    TextResponse,
    Timing,
    TokenLogprob,
    Tool,
    ToolCallPart,
    ToolResultPart,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Vectors,
    Verdict,
    VideoRequest,
    VideoResponse,
    Word,
)
from gensdk.types.message import bad_media

words = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.text("abcXYZ019_-", min_size=1, max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(words, json_values, max_size=3)
"""Keys are any text: ``__proto__``, ``role``, empty, with quotes."""

private = st.none() | st.builds(PrivateData, provider=names, data=json_objects)
media = st.builds(
    Media,
    data=st.binary(max_size=40),
    media_type=st.sampled_from(["image/png", "audio/pcm", "application/pdf", "text/plain"]),
    name=st.none() | names,
    sample_rate=st.none() | st.integers(4000, 96000),
)
urls = st.builds(URL, url=words)
parts = st.one_of(
    st.builds(TextPart, text=words, private=private),
    st.builds(ImagePart, image=media | urls, detail=st.sampled_from([None, "auto", "low", "high"])),
    st.builds(AudioPart, audio=media, private=private),
    st.builds(FilePart, file=media | urls, name=st.none() | names),
    st.builds(
        ToolCallPart, id=words, name=names, arguments=json_objects, malformed=st.none() | words
    ),
    st.builds(ToolResultPart, tool_call_id=words, content=words, is_error=st.booleans()),
    st.builds(ReasoningPart, text=words, private=private),
    st.builds(RefusalPart, text=words),
)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=st.lists(parts, min_size=1, max_size=4),
)
tools = st.builds(Tool, name=names, description=words, parameters=json_objects)
unit = st.none() | st.floats(0, 1)


def _answerable(turns: list[Message]) -> list[Message]:
    """Turns whose media hold something, and one of the user at the end that says something."""
    return [turn for turn in turns if not any(map(bad_media, turn.content))] + [
        Message.user("go on")
    ]


text_requests = st.builds(
    TextRequest,
    prompt=st.lists(messages, max_size=2).map(_answerable) | words.filter(str.strip),
    model=st.none() | words | st.lists(words, max_size=2).map(tuple),
    options=st.dictionaries(words, json_objects, max_size=2),
    extra=json_objects,
    tag=st.none() | words,
    system=st.none() | words,
    max_tokens=st.none() | st.integers(1, 10**6),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1, exclude_min=True),
    min_p=unit,
    logit_bias=st.none() | st.dictionaries(st.integers(0, 10**5), st.floats(-100, 100), max_size=3),
    seed=st.none() | st.integers(0, 2**63 - 1),
    stop=st.none() | st.lists(words.filter(bool), max_size=2).map(tuple),
    n=st.none() | st.integers(1, 128),
    output=st.none() | st.builds(OutputSchema, name=names, json_schema=json_objects),
    tools=st.lists(tools, max_size=2, unique_by=lambda tool: tool.name).map(tuple),
    metadata=st.none() | st.dictionaries(words, words, max_size=2),
)

MOMENT = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
COMMON: dict[str, Any] = {
    "provider": "a",
    "model": "m-1",
    "finish_reason": "stop",
    "usage": Usage(input_tokens=3, output_tokens=4, audio_s=1.5),
    "cost": Cost(amount=Decimal("0.0000000123"), source="table 1"),
    "warnings": (
        ResponseWarning(kind="adapted", message="m", parameter="size", sent={"a": [1, None]}),
    ),
    "attempts": (
        Attempt(provider="b", model="n", outcome="error", error="rate_limit", status=429),
        Attempt(provider="a", model="m", outcome="ok", start_s=1.25, billed="yes"),
    ),
    "request_id": "r-1",
    "timing": Timing(started_at=MOMENT, duration_s=0.5, first_output_s=0.25),
    "reproducible": True,
    "provider_details": {"__class__": {"__init__": [1, 2.5, None, "x"]}, "text": "mine"},
}
PICTURE = Media(data=b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
CLIP = Media(data=b"\0\0\0\x18ftypisom" + bytes(range(64)))
SOUND = Media(data=bytes(range(256)), media_type="audio/pcm", sample_rate=24000)

REQUESTS: tuple[Request, ...] = (
    TextRequest(
        prompt=[
            Message.system("be brief"),
            Message.user("what is this?", PICTURE, SOUND, URL("https://x.example/a.png")),
            Message.assistant(ToolCallPart(id="1", name="look", arguments={"__proto__": 1})),
            Message.tool("1", {"seen": ["a"]}),
        ],
        model=("a:m", "b:n"),
        options={"a": {"store": True}},
        stop="END",
        output={"type": "object", "properties": {"role": {"type": "string"}}},
        tools=[Tool(name="look")],
        tool_choice="look",
        logit_bias={7: -100.0},
    ),
    ImageRequest(
        prompt="a cat", images=(PICTURE, URL("https://x.example/b.png")), mask=PICTURE,
        size=(1024, 512), seed=2**63 - 1,
    ),
    SpeechRequest(text="hello", voice="coral", speed=1.25, format="wav"),
    MusicRequest(
        prompt="calm piano", lyrics="la", duration_s=8.5, bpm=90, key="C minor",
        reference_audio=SOUND, sample_rate=44100,
    ),
    VideoRequest(
        prompt="a boat", first_frame=PICTURE, last_frame=URL("https://x.example/c.png"),
        references=(PICTURE,), duration_s=4, aspect_ratio="16:9", resolution="720p", fps=24,
        audio=False, strength=0.5,
    ),
    TranscriptionRequest(audio=SOUND, timestamps="word", keywords=("gensdk",)),
    EmbedRequest(inputs=("a", "b"), dimensions=8, task="query"),
    ModerationRequest(inputs="a", images=(PICTURE,)),
)  # fmt: skip

RESPONSES: tuple[Response, ...] = (
    TextResponse[Any](
        candidates=(
            Candidate(
                parts=(ReasoningPart(text="hm"), TextPart(text="hi"), RefusalPart(text="no")),
                finish_reason="stop",
                logprobs=(TokenLogprob(token="hi", logprob=-0.5, alternatives=(("ho", -1.0),)),),
            ),
            Candidate(parts=(ToolCallPart(id="1", name="f", malformed="{"),)),
        ),
        output={"a": [1]},
        steps=(Message.user("x"),),
        **COMMON,
    ),
    ImageResponse(images=(PICTURE,), revised_prompt="a white cat", seed=3, **COMMON),
    SpeechResponse(audio=SOUND, duration_s=1.5, **COMMON),
    TranscriptionResponse(
        text="hello",
        segments=(Segment(text="hello", start_s=0, end_s=1, speaker="A"),),
        words=(Word(text="hello", start_s=0, end_s=1, speaker="B"),),
        language="en",
        **COMMON,
    ),
    EmbedResponse(vectors=Vectors.of([[1.0, 0.1], [-0.0, 3e38]]), **COMMON),
    ModerationResponse(
        verdicts=(Verdict(flagged=True, categories=("x",), scores={"x": 0.9}),), **COMMON
    ),
    MusicResponse(audio=SOUND, duration_s=8.5, seed=3, lyrics="la", **COMMON),
    VideoResponse(videos=(CLIP, CLIP), duration_s=4, fps=24, seed=3, **COMMON),
)
RETIRED_ON = date(2026, 9, 24)
