"""Limits and rules that OpenAI states beside its types: what is sent keeps them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gensdk.backends.openai import Account
from gensdk.backends.openai import chat as chat_protocol
from gensdk.backends.openai import completions as completions_protocol
from gensdk.backends.openai import responses_request as responses_protocol
from gensdk.backends.openai.schema import lower
from gensdk.catalog.compatible import OPENAI, UNKNOWN, Dialect
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import OutputSchema, ResponseWarning, TextRequest


def sent(
    protocol: Any, dialect: Dialect = OPENAI, **fields: Any
) -> tuple[dict[str, Any], tuple[ResponseWarning, ...]]:
    """The body for a request over a protocol, and its notes."""
    account = Account(dialect, base_url="http://127.0.0.1:9/v1")
    context = Context(model="gpt-4.1")
    notes = Notes(account.name, context)
    request = TextRequest(**({"prompt": "hi"} | fields))
    return protocol.prepare(request, context, account, notes), notes.warnings


# --------------------------------------------------------------------------------------- length
@pytest.mark.parametrize(("asked", "given"), [(1, 16), (15, 16), (16, 16), (17, 17)])
def test_responses_gets_no_bound_below_the_smallest_it_takes(asked: int, given: int) -> None:
    body, notes = sent(responses_protocol, max_tokens=asked)
    assert body["max_output_tokens"] == given
    said = [(note.parameter, note.kind, note.sent) for note in notes]
    assert said == ([] if asked == given else [("max_tokens", "adapted", 16)])


def test_the_smallest_bound_is_openais_own() -> None:
    server = replace(UNKNOWN, text_protocol="responses")
    assert sent(responses_protocol, server, max_tokens=1)[0]["max_output_tokens"] == 1
    assert sent(chat_protocol, max_tokens=1)[0]["max_completion_tokens"] == 1


# ----------------------------------------------------------------------------------------- bias
def test_biases_are_whole_numbers_at_openai_and_as_given_elsewhere() -> None:
    body, notes = sent(chat_protocol, logit_bias={1: 2.6, 2: -100.0})
    assert body["logit_bias"] == {"1": 3, "2": -100}
    assert [(note.parameter, note.kind) for note in notes] == [("logit_bias", "adapted")]
    body, notes = sent(chat_protocol, UNKNOWN, logit_bias={1: 2.6, 2: -100.0})
    assert (body["logit_bias"], notes) == ({"1": 2.6, "2": -100}, ())
    body, notes = sent(completions_protocol, logit_bias={1: 5.0})
    assert (body["logit_bias"], notes) == ({"1": 5}, ())
    assert isinstance(body["logit_bias"]["1"], int)


# ---------------------------------------------------------------------------------------- names
@pytest.mark.parametrize("protocol", [responses_protocol, chat_protocol])
@pytest.mark.parametrize(
    ("name", "given"), [("a b!é", "a_b_"), ("x" * 70, "x" * 64), ("", "output"), ("A-1_b", "A-1_b")]
)
def test_a_schema_is_named_as_the_api_takes_names(protocol: Any, name: str, given: str) -> None:
    schema = OutputSchema(name=name, json_schema=an_object(a={"type": "string"}))
    body, _ = sent(protocol, output=schema)
    if protocol is responses_protocol:
        assert body["text"]["format"]["name"] == given
    else:
        assert body["response_format"]["json_schema"]["name"] == given


# -------------------------------------------------------------------------------------- schemas
def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("fixed", "kind"),
    [
        ({"enum": ["a", "b"]}, "string"),
        ({"enum": ["a", 1, None]}, ["string", "integer", "null"]),
        ({"enum": [1, 2.5]}, "number"),
        ({"const": True}, "boolean"),
    ],
)
def test_fixed_values_say_their_type(fixed: dict[str, Any], kind: str | list[str]) -> None:
    lowered = lower(an_object(a=fixed))
    assert lowered.strict
    assert lowered.schema["properties"] == {"a": {**fixed, "type": kind}}


@pytest.mark.parametrize("fixed", [{"enum": []}, {"const": {"b": 1}}, {"enum": [[1]]}])
def test_fixed_values_without_a_type_are_sent_loosely(fixed: dict[str, Any]) -> None:
    assert not lower(an_object(a=fixed)).strict


def test_keywords_of_other_people_are_left_out() -> None:
    own = {"type": "string", "x-unit": "m", "nullable": True, "enumNames": ["A"], "$anchor": "a"}
    assert lower(an_object(a=own)).schema["properties"] == {"a": {"type": "string"}}


@pytest.mark.parametrize("word", ["dependencies", "$dynamicRef"])
def test_keywords_that_shape_the_answer_are_not(word: str) -> None:
    lowered = lower({**an_object(a={"type": "string"}), word: "#"})
    assert (lowered.strict, lowered.problem) == (False, f"the keyword {word!r}")


@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
def test_alternatives_at_the_root_are_sent_loosely(word: str) -> None:
    lowered = lower({**an_object(a={"type": "string"}), word: [an_object(b={"type": "string"})]})
    assert (lowered.strict, lowered.problem) == (False, "alternatives at the root")


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = an_object(a={"type": "array", "items": {"anyOf": [schema, {"type": "null"}]}})
    return schema


def choice(count: int, size: int) -> dict[str, Any]:
    return {"type": "string", "enum": [str(number).zfill(size) for number in range(count)]}


def many(count: int, size: int = 5) -> dict[str, Any]:
    return an_object(**{str(n).zfill(size): {"type": "string"} for n in range(count)})


@pytest.mark.parametrize(
    ("fits", "too_large", "problem"),
    [
        (nested(10), nested(11), "10 objects inside each other"),
        (many(5000), many(5001), "5001 properties"),
        (an_object(a=choice(1000, 15)), an_object(a=choice(1001, 4)), "1001 enum values"),
        (an_object(a=choice(250, 70)), an_object(a=choice(251, 70)), "an enum of 251 values"),
        (many(4, 30_000), many(4, 30_001), "120004 characters"),
        (
            an_object(a={"const": "x" * 119_999}),
            an_object(a={"const": "x" * 120_000}),
            "120001 characters",
        ),
        (
            {**an_object(a=choice(2, 1)), "$defs": {"d" * 119_997: {"type": "string"}}},
            {**an_object(a=choice(2, 1)), "$defs": {"d" * 119_998: {"type": "string"}}},
            "120001 characters",
        ),
    ],
)
def test_a_schema_that_is_too_large_is_sent_loosely(
    fits: dict[str, Any], too_large: dict[str, Any], problem: str
) -> None:
    assert lower(fits).strict
    lowered = lower(too_large)
    assert (lowered.strict, lowered.schema) == (False, too_large)
    assert problem in str(lowered.problem)


def test_references_are_no_nesting_but_definitions_have_their_own() -> None:
    chain: dict[str, Any] = {
        f"D{n}": an_object(a={"$ref": f"#/$defs/D{n + 1}"}) for n in range(20)
    } | {"D20": an_object(a={"type": "string"})}
    assert lower({**an_object(a={"$ref": "#/$defs/D0"}), "$defs": chain}).strict
    assert not lower({**an_object(a={"$ref": "#/$defs/D"}), "$defs": {"D": nested(11)}}).strict
