"""Hard schemas in every dialect: what is sent, or where in the answer there is no word for it.

``goldens/schemas.json`` holds both. After a change that is meant, write it anew with
``GENSDK_WRITE_GOLDENS=1 pytest tests/backends/test_schema_dialects.py`` and read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gensdk.backends.anthropic.schema import lower as lower_for_anthropic
from gensdk.backends.google.schema import lower as lower_for_google
from gensdk.backends.local.text.schema import followed
from gensdk.backends.openai.schema import lower as lower_for_openai
from gensdk.toolkit import Notes
from gensdk.toolkit.dialect import NotExpressibleError
from gensdk.types import OutputSchema
from tests.support.google_api import context
from tests.support.hard_schemas import HARD

GOLDENS = Path(__file__).parent / "goldens" / "schemas.json"
WRITES = bool(os.environ.get("GENSDK_WRITE_GOLDENS"))


def openai(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's Responses and Chat Completions, and every server that speaks its strict mode."""
    lowered = lower_for_openai(schema)
    if lowered.strict:
        return {"sent": lowered.schema}
    assert lowered.schema == schema, "without strict mode it goes as it is"
    return {"not strict": lowered.problem}


def anthropic(schema: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"sent": lower_for_anthropic(schema)}
    except NotExpressibleError as problem:
        return {"refused": str(problem)}


def google(schema: dict[str, Any]) -> dict[str, Any]:
    notes = Notes("google", context())
    sent: dict[str, Any] = {"sent": lower_for_google(schema, "output", notes)}
    return sent | ({"noted": str(notes.warnings[0].sent)} if notes.warnings else {})


def local(schema: dict[str, Any]) -> dict[str, Any]:
    try:
        sent, left = followed(schema, all_of_it=True)
    except NotExpressibleError as problem:
        return {"refused": str(problem)}
    return {"sent": sent} | ({"noted": ", ".join(left)} if left else {})


DIALECTS = {"openai": openai, "anthropic": anthropic, "google": google, "local": local}


def lowered(name: str) -> dict[str, Any]:
    schema = OutputSchema.of(HARD[name][0]).json_schema
    return {dialect: lower(schema) for dialect, lower in DIALECTS.items()}


@pytest.fixture(scope="module")
def goldens() -> dict[str, Any]:
    if WRITES:
        found = {name: lowered(name) for name in HARD}
        GOLDENS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    kept: dict[str, Any] = json.loads(GOLDENS.read_text("utf-8"))
    return kept


def test_the_goldens_are_of_these_schemas(goldens: dict[str, Any]) -> None:
    assert list(goldens) == list(HARD)


@pytest.mark.parametrize("name", HARD)
def test_every_dialect_says_what_it_did(name: str, goldens: dict[str, Any]) -> None:
    assert lowered(name) == goldens[name]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", HARD)
def test_an_answer_that_fits_may_be_given_in_every_dialect(name: str, dialect: str) -> None:
    """A schema that is lowered must not forbid what was asked for."""
    jsonschema = pytest.importorskip("jsonschema")
    shape, answer = HARD[name]
    output = OutputSchema.of(shape)
    output.parse(json.dumps(answer))
    sent = DIALECTS[dialect](output.json_schema).get("sent")
    if sent is not None:
        kind = jsonschema.Draft202012Validator
        kind.check_schema(sent)
        assert [str(error) for error in kind(sent).iter_errors(answer)] == []


@pytest.mark.parametrize("name", HARD)
def test_what_the_grammar_takes_it_follows(name: str) -> None:
    guidance = pytest.importorskip("llguidance")
    shape, answer = HARD[name]
    sent = local(OutputSchema.of(shape).json_schema).get("sent")
    if sent is None:
        return
    style = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    grammar = guidance.LLMatcher.grammar_from_json_schema(json.dumps(sent), overrides=style)
    tokenizer = guidance.LLTokenizer("byte")
    assert guidance.LLMatcher.validate_grammar(grammar, tokenizer) == ""
    matcher = guidance.LLMatcher(tokenizer, grammar)
    text = json.dumps(answer).encode()
    assert matcher.try_consume_tokens(list(text)) == len(text)
    assert matcher.is_accepting()


@pytest.mark.parametrize(
    ("name", "dialect", "place"),
    [
        ("a map", "openai", "a dictionary with free keys (at 'sizes')"),
        ("a map of models", "anthropic", "a dictionary with free keys (at 'by_name')"),
        ("if and then", "local", "the keyword 'if' (at 'deep')"),
        ("keys by pattern", "openai", "the keyword 'patternProperties' (at 'list[]')"),
        ("keys by pattern", "google", "patternProperties (at 'list[]')"),
        ("a set", "local", "uniqueItems (at 'words')"),
    ],
)
def test_what_cannot_be_said_is_named_with_its_place(name: str, dialect: str, place: str) -> None:
    said = lowered(name)[dialect]
    assert place in {said.get("refused"), said.get("noted"), said.get("not strict")}


def test_a_definition_is_named_too() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "object", "properties": {"b": {"not": {}}}}},
    }
    for said in (openai(schema), anthropic(schema), local(schema)):
        assert list(said.values()) == ["the keyword 'not' (at '$defs.A.b')"]
    assert google(schema)["noted"] == "not (at '$defs.A.b')"


def test_parts_of_an_allof_by_reference_stay_open_to_each_other() -> None:
    part = {"type": "object", "properties": {"a": {"type": "string"}}}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"both": {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}},
        "$defs": {"A": part, "B": part, "C": part},
    }
    sent = local(schema)["sent"]
    assert [name for name, one in sent["$defs"].items() if "additionalProperties" in one] == ["C"]


def test_bounds_are_found_wherever_they_stand() -> None:
    loose = {"type": "array", "uniqueItems": True, "items": {"type": "string", "format": "odd"}}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "a": {"anyOf": [loose, {"type": "null"}]},
            "b": {"type": "object", "additionalProperties": {"type": "string", "pattern": "a\\b"}},
        },
        "patternProperties": {"^x": {"type": "integer", "format": "odd"}},
    }
    assert local(schema)["noted"] == ("uniqueItems (at 'a'), format (at 'a[]'), pattern (at 'b.*')")


def test_a_schema_without_a_bottom_is_refused() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        deep = {"type": "object", "properties": {"a": deep}}
    assert local(deep)["refused"].startswith("so deep a nesting (at 'a.a.a")
    assert anthropic(deep)["refused"].startswith("so deep a nesting (at 'a.a.a")
    assert openai(deep)["not strict"].startswith("it is nested too deeply (at 'a.a.a")
    assert len(local(deep)["refused"]) < 300


def test_fields_beside_alternatives_are_not_closed_away() -> None:
    """Closed alternatives would forbid what stands beside them: no answer could fit."""
    inner: dict[str, Any] = {
        "type": "object",
        "properties": {"x": {"type": "string"}},
        "required": ["x"],
    }
    both = {"anyOf": [inner], "properties": {"z": {"type": "integer"}}, "required": ["z"]}
    schema: dict[str, Any] = {"type": "object", "properties": {"c": both}, "required": ["c"]}
    with pytest.raises(NotExpressibleError, match=r"beside 'anyOf' \(at 'c'"):
        lower_for_anthropic(schema)
    assert "beside alternatives" in (lower_for_openai(schema).problem or "")
    sent: Any = followed(schema)[0]
    assert "additionalProperties" not in sent["properties"]["c"]["anyOf"][0]
