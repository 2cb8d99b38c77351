"""Every value goes through JSON and comes back the same; what is in it stays data."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from gensdk.types import (
    AudioChunk,
    Finished,
    ImageResponse,
    Message,
    Request,
    Response,
    TextRequest,
    TextResponse,
    TokenLogprob,
    Value,
    Vectors,
)
from tests.support.values import (
    PICTURE,
    REQUESTS,
    RESPONSES,
    json_objects,
    messages,
    text_requests,
)

VALUES: list[Value] = [*REQUESTS, *RESPONSES]


def ids(value: Value) -> str:
    return type(value).__name__


@pytest.mark.parametrize("value", VALUES, ids=ids)
def test_json_gives_the_value_back(value: Value) -> None:
    text = value.model_dump_json()
    assert type(value).model_validate_json(text) == value
    assert json.loads(text)


@pytest.mark.parametrize("value", VALUES, ids=ids)
def test_so_does_json_read_by_another_parser(value: Value) -> None:
    """``json.loads`` first and validation after it: bytes must not be taken for text."""
    assert type(value).model_validate(json.loads(value.model_dump_json())) == value


@pytest.mark.parametrize("value", VALUES, ids=ids)
def test_pickle_and_copy_give_the_value_back(value: Value) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value


@pytest.mark.parametrize("value", VALUES, ids=ids)
def test_values_are_frozen(value: Value) -> None:
    name = next(iter(type(value).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, name, None)


@pytest.mark.parametrize("value", VALUES, ids=ids)
def test_the_repr_shows_what_was_set_and_never_bytes(value: Value) -> None:
    shown = repr(value)
    assert len(shown) < 4000
    assert "\\x" not in shown
    assert "unsupported" not in shown


@given(text_requests)
def test_any_text_request(request: TextRequest) -> None:
    back = TextRequest.model_validate_json(request.model_dump_json())
    assert back == request
    assert back.fingerprint() == request.fingerprint()


@given(messages)
def test_any_message(message: Message) -> None:
    assert Message.model_validate_json(message.model_dump_json()) == message
    assert Message.model_validate(json.loads(message.model_dump_json())) == message


@given(json_objects)
def test_hostile_keys_stay_data(data: dict[str, Any]) -> None:
    request = TextRequest(prompt="x", extra=data, options={"a": data})
    back = TextRequest.model_validate_json(request.model_dump_json())
    assert back.extra == data
    assert back.options == {"a": data}


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=3), min_size=1))
def test_any_vectors(rows: list[list[float]]) -> None:
    vectors = Vectors.of(rows)
    adapter = TypeAdapter(Vectors)
    assert adapter.validate_json(adapter.dump_json(vectors)) == vectors
    assert vectors.tolist() == rows


def test_equal_requests_have_equal_fingerprints_whatever_the_order() -> None:
    one = TextRequest(prompt="x", extra={"a": 1, "b": {"c": 1, "d": 2}}, logit_bias={1: 0, 22: 0})
    two = TextRequest(prompt="x", extra={"b": {"d": 2, "c": 1}, "a": 1}, logit_bias={22: 0, 1: 0})
    assert one == two
    assert one.fingerprint() == two.fingerprint()


def test_another_request_has_another_fingerprint() -> None:
    one = TextRequest(prompt="x")
    assert one.fingerprint() == TextRequest(prompt="x").fingerprint()
    others = (
        TextRequest(prompt="y"),
        TextRequest(prompt="x", seed=1),
        TextRequest(prompt="x", tag="t"),
    )
    assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 4


def test_typed_options_become_json_with_all_they_hold() -> None:
    class Options(BaseModel):
        store: bool = False
        nested: dict[str, int] = {}

    request = TextRequest(prompt="x", options={"a": Options(store=True, nested={"k": 1})})
    assert isinstance(request.options["a"], Options)
    back = TextRequest.model_validate_json(request.model_dump_json())
    assert back.options == {"a": {"store": True, "nested": {"k": 1}}}


@pytest.mark.parametrize("bad", [5, "text", {"k": object()}, {"k": math.nan}, None, [1]])
def test_options_that_are_no_options_are_refused(bad: Any) -> None:
    with pytest.raises(ValidationError):
        TextRequest(prompt="x", options={"a": bad})


def test_numbers_json_does_not_have_survive() -> None:
    value = TokenLogprob(token="a", logprob=-math.inf)
    text = value.model_dump_json()
    json.loads(text, parse_constant=pytest.fail)
    assert TokenLogprob.model_validate_json(text) == value


def test_a_typed_response_comes_back_typed() -> None:
    class Recipe(BaseModel):
        title: str

    reply = TextResponse[Recipe](output=Recipe(title="soup"))
    back = TextResponse[Recipe].model_validate_json(reply.model_dump_json())
    assert back.output == Recipe(title="soup")


def test_a_response_of_a_later_version_can_be_read() -> None:
    data = RESPONSES[1].model_dump(mode="json") | {"field_of_tomorrow": 1}
    data["usage"]["tokens_of_tomorrow"] = 2
    assert ImageResponse.model_validate(data) == RESPONSES[1]


def test_a_request_of_a_later_version_is_refused() -> None:
    """What a request says must be done; what this version does not know it cannot do."""
    with pytest.raises(ValidationError, match="field_of_tomorrow"):
        TextRequest.model_validate({"prompt": "x", "field_of_tomorrow": 1})


def test_base64_of_both_alphabets_is_read_and_other_text_refused() -> None:
    for text in ("-_-_", "+/+/"):
        assert AudioChunk.model_validate({"data": text}).data == b"\xfb\xff\xbf"
    with pytest.raises(ValidationError):
        AudioChunk.model_validate({"data": "no base64!"})


def test_events_go_through_json() -> None:
    event = Finished[ImageResponse](response=ImageResponse(images=(PICTURE,)))
    assert Finished[ImageResponse].model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize("kind", [Request, Response])
def test_the_examples_leave_no_kind_out(kind: type[Value]) -> None:
    mine = {one for one in kind.__subclasses__() if one.__module__.startswith("gensdk.")}
    assert mine == {
        type(value) if type(value) in mine else type(value).__mro__[1]
        for value in VALUES
        if isinstance(value, kind)
    }


def test_schemas_can_be_made_for_documentation() -> None:
    for value in REQUESTS:
        assert type(value).model_json_schema()["type"] == "object"
