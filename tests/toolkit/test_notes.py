from __future__ import annotations

import pytest

from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import OutputSchema, TextRequest, Unsupported


def notes(unsupported: Unsupported = "warn") -> Notes:
    return Notes("acme", Context(model="m", unsupported=unsupported))


def test_a_dropped_preference_is_a_warning() -> None:
    collected = notes()
    collected.drop("seed", "it draws at random")
    (warning,) = collected.warnings
    assert (warning.kind, warning.parameter) == ("unsupported", "seed")
    assert warning.message == "'seed' was not sent: acme:m does not take it (it draws at random)."


def test_a_dropped_preference_is_silent_or_an_error_as_asked() -> None:
    silent = notes("drop")
    silent.drop("seed", "r")
    assert silent.warnings == ()
    with pytest.raises(UnsupportedFeatureError) as caught:
        notes("error").drop("seed", "it draws at random")
    error = caught.value
    assert (error.provider, error.model, error.param) == ("acme", "m", "seed")
    assert (error.status, error.billed, error.retryable) == (None, "no", False)
    assert "it draws at random" in error.message


@pytest.mark.parametrize("unsupported", ["warn", "drop", "error"])
def test_what_carries_meaning_is_always_refused(unsupported: Unsupported) -> None:
    with pytest.raises(UnsupportedFeatureError, match="tools"):
        notes(unsupported).refuse("tools", "no tools")


@pytest.mark.parametrize("unsupported", ["warn", "drop", "error"])
def test_adaptations_and_other_notes_are_always_kept(unsupported: Unsupported) -> None:
    collected = notes(unsupported)
    collected.adapt("size", "rounded to 1024x1024", {"size": "1024x1024"})
    collected.other("goes away in May", "model", "retiring")
    collected.other("hm")
    assert [(w.kind, w.parameter, w.sent) for w in collected.warnings] == [
        ("adapted", "size", {"size": "1024x1024"}),
        ("retiring", "model", None),
        ("other", None, None),
    ]


def test_the_same_note_is_kept_once() -> None:
    collected = notes()
    for _ in range(3):
        collected.drop("seed", "r")
    assert len(collected.warnings) == 1


def test_fields_the_caller_set_and_the_backend_does_not_send_are_dropped() -> None:
    request = TextRequest(
        prompt="p", model="m", extra={"x": 1}, tag="t", unsupported="warn", options={"acme": {}},
        seed=7, top_k=3, temperature=0.5, min_p=None, tools=(), stop="x",
    )  # fmt: skip
    collected = notes()
    collected.drop_unsupported(request, {"prompt", "temperature"}, reason="r")
    assert [warning.parameter for warning in collected.warnings] == ["top_k", "seed", "stop"]


def test_a_meaningful_field_is_refused_before_anything_is_noted() -> None:
    schema = OutputSchema(name="o", json_schema={"type": "object"})
    request = TextRequest(prompt="p", seed=7, output=schema)
    collected = notes()
    with pytest.raises(UnsupportedFeatureError) as caught:
        collected.drop_unsupported(request, {"prompt"}, meaning={"output"}, reason="r")
    assert caught.value.param == "output"
    assert not collected.warnings
    collected.drop_unsupported(request, {"prompt", "output"}, meaning={"output"}, reason="r")
    assert [warning.parameter for warning in collected.warnings] == ["seed"]


def test_dropping_many_obeys_error_mode() -> None:
    with pytest.raises(UnsupportedFeatureError, match="seed"):
        notes("error").drop_unsupported(
            TextRequest(prompt="p", seed=7), {"prompt"}, reason="no such field"
        )
