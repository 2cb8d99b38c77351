"""Validators of requests, messages from whatever was given, sums, vectors, streams put together."""

from __future__ import annotations

import array
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gensdk.types import (
    URL,
    AudioPart,
    Candidate,
    Cost,
    EmbedRequest,
    EmbedResponse,
    FilePart,
    ImagePart,
    ImageRequest,
    Media,
    Message,
    ModerationRequest,
    ModerationResponse,
    MusicRequest,
    PrivateData,
    ReasoningDelta,
    ReasoningPart,
    RefusalDelta,
    RefusalPart,
    Request,
    ResponseWarning,
    SpeechRequest,
    TextAccumulator,
    TextDelta,
    TextPart,
    TextRequest,
    TextResponse,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Vectors,
    Verdict,
    VideoRequest,
    deltas_of,
    tool_call_part,
    unique,
)
from tests.support.values import PICTURE, RESPONSES, SOUND

NAN, INF = float("nan"), float("inf")

WRONG_TEXT: list[dict[str, Any]] = [
        {"prompt": ""}, {"prompt": " \n"}, {"prompt": []}, {"prompt": 5}, {"prompt": None},
        {"prompt": [Message.user("a"), "b"]}, {"prompt": [{"role": "owner", "content": "x"}]},
        {"prompt": [{"role": "user", "content": []}]}, {"prompt": "a\ud800"},
        {"max_tokens": 0}, {"max_tokens": 1.5}, {"temperature": -0.1}, {"temperature": 2.1},
        {"temperature": NAN}, {"top_p": 0}, {"top_p": 1.1}, {"top_p": NAN}, {"top_k": 0},
        {"min_p": -0.1}, {"min_p": NAN}, {"presence_penalty": 2.1}, {"frequency_penalty": -2.1},
        {"presence_penalty": NAN}, {"logit_bias": {"a": 1}}, {"logit_bias": {1: 101}},
        {"logit_bias": {1: NAN}}, {"seed": -1}, {"seed": 2**63}, {"stop": ""}, {"stop": ["a", ""]},
        {"n": 0}, {"n": 129}, {"logprobs": -1}, {"logprobs": 21}, {"tool_choice": "required"},
        {"tool_choice": "no_such"}, {"tools": [{"name": "a"}, {"name": "a"}]},
        {"reasoning_effort": "huge"}, {"verbosity": "loud"}, {"metadata": {"a": 1}},
        {"unsupported": "ignore"}, {"extra": {"a": object()}}, {"temprature": 1},
]  # fmt: skip
NO_TEXT = [{"prompt": "x"} | given for given in WRONG_TEXT]
NO_IMAGE: list[dict[str, Any]] = [
        {}, {"prompt": "  "}, {"prompt": "x", "size": "big"}, {"prompt": "x", "size": "0x5"},
        {"prompt": "x", "size": "20000x5"}, {"prompt": "x", "size": (1, 2, 3)},
        {"prompt": "x", "size": "10x10\n"}, {"prompt": "x", "aspect_ratio": "wide"},
        {"prompt": "x", "aspect_ratio": "0:1"},
        {"prompt": "x", "size": "8x8", "aspect_ratio": "1:1"}, {"prompt": "x", "mask": PICTURE},
        {"prompt": "x", "n": 0}, {"prompt": "x", "steps": 0}, {"prompt": "x", "strength": 1.5},
        {"prompt": "x", "guidance_scale": NAN}, {"prompt": "x", "guidance_scale": INF},
        {"prompt": "x", "compression": 101}, {"prompt": "x", "images": "cat.png"},
        {"prompt": "x", "images": ["https://x.example/a.png"]}, {"prompt": "x", "quality": "best"},
]  # fmt: skip
NO_SPEECH: list[dict[str, Any]] = [
        {}, {"text": ""}, {"text": " "}, {"text": "x", "speed": 0.2}, {"text": "x", "speed": NAN},
        {"text": "x", "format": "mid"}, {"text": "x", "sample_rate": 1},
]  # fmt: skip
NO_MUSIC: list[dict[str, Any]] = [
        {}, {"prompt": " ", "lyrics": " "}, {"prompt": "x", "duration_s": 0},
        {"prompt": "x", "duration_s": INF}, {"prompt": "x", "bpm": 5}, {"prompt": "x", "steps": 0},
        {"prompt": "x", "instrumental": True, "lyrics": "la"}, {"prompt": "x", "format": "mid"},
        {"prompt": "x", "reference_audio": "a.mp3"}, {"prompt": "x", "guidance_scale": NAN},
]  # fmt: skip
NO_VIDEO: list[dict[str, Any]] = [
        {}, {"prompt": " "}, {"prompt": "x", "duration_s": 0}, {"prompt": "x", "duration_s": NAN},
        {"prompt": "x", "size": "big"}, {"prompt": "x", "aspect_ratio": "wide"},
        {"prompt": "x", "size": "8x8", "aspect_ratio": "1:1"}, {"prompt": "x", "resolution": "8p"},
        {"prompt": "x", "size": "8x8", "resolution": "720p"}, {"prompt": "x", "fps": 0},
        {"prompt": "x", "strength": 0.5}, {"prompt": "x", "n": 0}, {"prompt": "x", "n": 17},
        {"prompt": "x", "first_frame": "a.png"}, {"prompt": "x", "references": "a.png"},
        {"prompt": "x", "video": Media(data=b"")}, {"prompt": "x", "format": "avi"},
]  # fmt: skip
WRONG: list[tuple[type[Request], dict[str, Any]]] = [
    *((TextRequest, given) for given in NO_TEXT),
    *((ImageRequest, given) for given in NO_IMAGE),
    *((SpeechRequest, given) for given in NO_SPEECH),
    *((MusicRequest, given) for given in NO_MUSIC),
    *((VideoRequest, given) for given in NO_VIDEO),
    (TranscriptionRequest, {"audio": "a.mp3"}), (TranscriptionRequest, {"audio": Media(data=b"")}),
    (TranscriptionRequest, {"audio": SOUND, "temperature": NAN}),
    (TranscriptionRequest, {"audio": SOUND, "timestamps": "letter"}),
    (EmbedRequest, {"inputs": []}), (EmbedRequest, {"inputs": ["a", ""]}),
    (EmbedRequest, {"inputs": [5]}), (EmbedRequest, {"inputs": "a", "dimensions": 0}),
    (EmbedRequest, {"inputs": "a\udfff"}), (EmbedRequest, {"inputs": "a", "task": "x"}),
    (ModerationRequest, {}), (ModerationRequest, {"inputs": ""}),
    (ModerationRequest, {"inputs": []}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "given"),
    WRONG,
    ids=[f"{kind.__name__}-{number}" for number, (kind, _) in enumerate(WRONG)],
)
def test_a_wrong_value_is_refused(kind: type[Request], given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hi", (Message.user("hi"),)),
        (Message.user("hi"), (Message.user("hi"),)),
        ([Message.system("s"), Message.user("u")], (Message.system("s"), Message.user("u"))),
        ([{"role": "user", "content": "hi"}], (Message.user("hi"),)),
        (["see", PICTURE], (Message.user("see", PICTURE),)),
        ([{"type": "text", "text": "a"}, "b"], (Message.user("a", "b"),)),
        (PICTURE, (Message.user(PICTURE),)),
        (TextPart(text="a"), (Message.user("a"),)),
        (URL("https://x.example/a.png"), (Message.user(URL("https://x.example/a.png")),)),
    ],
)
def test_a_prompt_is_text_or_becomes_messages(given: Any, expected: tuple[Message, ...]) -> None:
    request = TextRequest(prompt=given)
    assert request.messages == expected
    assert isinstance(request.prompt, str) is isinstance(given, str)


def test_parts_are_chosen_by_what_the_bytes_are() -> None:
    content = Message.user(
        "t", PICTURE, SOUND, Media(data=b"%PDF-", name="a.pdf"), URL("https://x.example"),
        ReasoningPart(text="r"),
    ).content  # fmt: skip
    assert [type(part) for part in content] == [
        TextPart, ImagePart, AudioPart, FilePart, ImagePart, ReasoningPart,
    ]  # fmt: skip
    assert content[3] == FilePart(file=Media(data=b"%PDF-", name="a.pdf"), name="a.pdf")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("text", "text"), ({"a": [1, None]}, '{"a":[1,null]}'), (5, "5"), (None, "null"),
        (TextPart(text="x"), '{"private":null,"type":"text","text":"x"}'), (b"\xff", '"_w=="'),
        (Decimal("1.5"), '"1.5"'), (object, "class"),
    ],
)  # fmt: skip
def test_a_tool_result_is_text_or_json(result: Any, expected: str) -> None:
    part = Message.tool("7", result, is_error=True).content[0]
    assert isinstance(part, ToolResultPart)
    assert (part.tool_call_id, part.is_error) == ("7", True)
    assert expected in part.content


def test_values_with_a_short_form() -> None:
    assert TextRequest(prompt="x", stop="END").stop == ("END",)
    assert EmbedRequest(inputs="a").inputs == ("a",)
    assert ModerationRequest(inputs="a").inputs == ("a",)
    assert ImageRequest(prompt="x", size=(64, 32)).size == "64x32"
    assert ImageRequest(prompt="x", size="64x32").dimensions == (64, 32)
    assert ImageRequest(prompt="x", size="auto").dimensions is None
    assert ImageRequest(prompt="x").dimensions is None
    assert ImageRequest(images=(PICTURE,)).prompt == ""
    assert TextRequest(prompt="x", tools=[{"name": "a"}], tool_choice="a").tool_choice == "a"
    assert TextRequest(prompt="x", tool_choice="none").tool_choice == "none"


# ------------------------------------------------------------------------------- what comes back
def test_a_text_response_reads_its_first_candidate() -> None:
    reply = RESPONSES[0]
    assert isinstance(reply, TextResponse)
    assert (reply.text, reply.reasoning, reply.refusal) == ("hi", "hm", "no")
    assert reply.tool_calls == ()
    assert reply.candidates[1].text == ""
    assert reply.message.role == "assistant"
    assert reply.message.text == "hi"
    empty: TextResponse[Any] = TextResponse()
    assert (empty.text, empty.refusal, empty.parts) == ("", None, ())
    assert empty.message.content == (TextPart(text=""),)


def test_small_properties() -> None:
    talk = RESPONSES[3]
    assert isinstance(talk, TranscriptionResponse)
    assert talk.speakers == ("A", "B")
    assert ModerationResponse(verdicts=(Verdict(flagged=False), Verdict(flagged=True))).flagged
    assert not ModerationResponse().flagged
    assert str(Cost(amount=Decimal("0.00000012"))) == "0.00000012 USD"
    assert str(ResponseWarning(kind="other", message="m")) == "m"


counts = st.none() | st.integers(0, 10**9)
usages = st.builds(Usage, input_tokens=counts, output_tokens=counts, cached_tokens=counts)


@given(usages, usages, usages)
def test_usages_add_up_and_unknown_stays_unknown(one: Usage, two: Usage, three: Usage) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Usage() == one
    for name in ("input_tokens", "output_tokens", "cached_tokens"):
        known = [item for item in (getattr(one, name), getattr(two, name)) if item is not None]
        assert getattr(one + two, name) == (sum(known) if known else None)
    assert (one.total_tokens is None) == (one.input_tokens is None and one.output_tokens is None)


def test_costs_add_up_only_where_all_are_known() -> None:
    euro, dollar = Cost(amount=Decimal(1), currency="EUR"), Cost(amount=Decimal(2), estimated=False)
    assert Cost.total([dollar, dollar]) == Cost(amount=Decimal(4), estimated=False)
    total = Cost.total([dollar, Cost(amount=Decimal("0.1"))])
    assert total is not None
    assert (total.amount, total.estimated) == (Decimal("2.1"), True)
    for unknown in ([], [None], [dollar, None], [None, dollar], [dollar, euro]):
        assert Cost.total(unknown) is None


def test_warnings_are_told_once_whatever_they_hold() -> None:
    one = ResponseWarning(kind="adapted", message="m", sent={"a": [1]})
    two = ResponseWarning(kind="adapted", message="m", sent={"a": [2]})
    assert unique([one, two, one.model_copy()]) == (one, two)


# -------------------------------------------------------------------------------------- vectors
def test_vectors_are_a_sequence() -> None:
    import numpy

    vectors = Vectors.of([[1, 2], [3, 4], [5, 6]])
    assert (len(vectors), vectors.dim, repr(vectors)) == (3, 2, "Vectors(n=3, dim=2)")
    assert list(vectors[-1]) == [5, 6]
    assert [list(row) for row in vectors[::2]] == [[1, 2], [5, 6]]
    assert [list(row) for row in vectors] == vectors.tolist()
    assert vectors.array().dtype == numpy.float32
    assert vectors.array().shape == (3, 2)
    assert vectors.array() is not vectors.array()
    assert numpy.shares_memory(vectors.array(), vectors.array())
    assert vectors == Vectors(array.array("f", [1, 2, 3, 4, 5, 6]), 2)
    assert vectors != Vectors(array.array("f", [1, 2, 3, 4, 5, 6]), 3)
    assert vectors != [[1, 2], [3, 4], [5, 6]]
    assert hash(vectors) == hash(Vectors.of(vectors.tolist()))
    assert list(vectors.block) == [1, 2, 3, 4, 5, 6]
    assert EmbedResponse(vectors=vectors).array().shape == (3, 2)
    for index in (3, -4):
        with pytest.raises(IndexError):
            vectors[index]


@pytest.mark.parametrize(
    "bad",
    [
        5, None, "text", [], [[]], [[1], [1, 2]], [["a"]], [1, 2], {"dim": 2}, {"float32": "AAAA"},
        {"dim": 2, "float32": "AAA"}, {"dim": 3, "float32": "AACAPw=="}, {"dim": 0, "float32": ""},
        {"dim": 1, "float32": "no base64!"}, {"dim": "1", "float32": "AACAPw=="}, {1, 2},
    ],
)  # fmt: skip
def test_what_is_no_vectors(bad: Any) -> None:
    with pytest.raises(ValidationError):
        EmbedResponse(vectors=bad)


def test_a_block_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        Vectors(array.array("d", [1.0]), 1)


# -------------------------------------------------------------------------- streams put together
def test_deltas_of_one_kind_become_one_part_and_keep_their_order() -> None:
    pieces = TextAccumulator()
    assert pieces.empty
    for delta in (
        ReasoningDelta(text="h"), ReasoningDelta(text="m"),
        TextDelta(text="a"), ToolCallDelta(call=0, id="c0", name="f", arguments='{"x"'),
        ToolCallDelta(call=1, id="c1", name="g"), ToolCallDelta(call=0, arguments=": 1}"),
        TextDelta(text="b"), TextDelta(text="c"),
        ToolCallDelta(call=1, arguments="[1]"), RefusalDelta(text="no"),
    ):  # fmt: skip
        pieces.add(delta)
    assert not pieces.empty
    (candidate,) = pieces.candidates({0: "stop"})
    assert candidate.finish_reason == "stop"
    assert candidate.parts == (
        ReasoningPart(text="hm"),
        TextPart(text="a"),
        ToolCallPart(id="c0", name="f", arguments={"x": 1}),
        ToolCallPart(id="c1", name="g", malformed="[1]"),
        TextPart(text="bc"),
        RefusalPart(text="no"),
    )


def test_candidates_are_kept_apart() -> None:
    pieces = TextAccumulator()
    for index, text in ((1, "b"), (0, "a"), (1, "B"), (0, "A")):
        pieces.add(TextDelta(text=text, index=index))
    found = pieces.candidates({0: "stop", 2: "length"}, {1: ()})
    assert [one.text for one in found] == ["aA", "bB", ""]
    assert [one.finish_reason for one in found] == ["stop", None, "length"]
    assert found[1].logprobs == ()
    assert [one.parts for one in TextAccumulator().candidates({})] == [()]


def test_an_answer_told_as_deltas_and_put_together_again() -> None:
    parts = (
        ReasoningPart(text="hm"),
        TextPart(text="a"),
        ToolCallPart(id="c0", name="f", arguments={"x": [1, "é"]}),
        ToolCallPart(id="c1", name="g", malformed="[1"),
        RefusalPart(text="no"),
    )
    candidates = (Candidate(parts=parts), Candidate(parts=(TextPart(text="b"),)))
    pieces = TextAccumulator()
    for delta in deltas_of(TextResponse(candidates=candidates)):
        pieces.add(delta)
    assert pieces.candidates({}) == candidates
    hidden = Candidate(parts=(ReasoningPart(text=""), ImagePart(image=PICTURE)))
    assert list(deltas_of(TextResponse(candidates=(hidden,)))) == []


def test_a_call_without_an_id_gets_one() -> None:
    pieces = TextAccumulator()
    pieces.add(ToolCallDelta(call=3, name="f"))
    assert pieces.candidates({})[0].parts == (ToolCallPart(id="call_3", name="f"),)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("trc"), st.text(max_size=3))))
def test_no_text_is_lost_or_mixed(script: list[tuple[int, str, str]]) -> None:
    pieces = TextAccumulator()
    kinds: dict[str, type[TextDelta | ReasoningDelta]] = {"t": TextDelta, "r": ReasoningDelta}
    for index, kind, text in script:
        if kind == "c":
            pieces.add(ToolCallDelta(call=0, arguments=text, index=index))
        else:
            pieces.add(kinds[kind](text=text, index=index))
    found = pieces.candidates({})
    there = sorted({0, *(index for index, _, _ in script)})
    for index, candidate in zip(there, found, strict=True):
        assert candidate.text == "".join(t for i, k, t in script if (i, k) == (index, "t"))


@pytest.mark.parametrize(
    ("arguments", "expected", "malformed"),
    [
        ("", {}, None), ("  ", {}, None), ('{"a": 1}', {"a": 1}, None), ("[]", {}, "[]"),
        ('{"a": ', {}, '{"a": '), ("null", {}, "null"), ('{"a": NaN}', {}, '{"a": NaN}'),
        ("[" * 9999, {}, "[" * 9999),
    ],
)  # fmt: skip
def test_arguments_that_are_no_object_are_kept_as_text(
    arguments: str, expected: dict[str, Any], malformed: str | None
) -> None:
    private = PrivateData(provider="a", data={})
    part = tool_call_part("1", "f", arguments, private)
    assert (part.arguments, part.malformed, part.private) == (expected, malformed, private)
