"""Learned refusals: bounded, and careful about what they take out."""

from __future__ import annotations

import pytest

from gensdk.backends.openai.refusals import LearnedRefusals, Refusal, refused_by, without
from gensdk.toolkit import Failure


def test_the_longest_unused_model_is_forgotten() -> None:
    learned = LearnedRefusals(max_models=2)
    refusal = Refusal("seed", "seed")
    for model in ("a", "b"):
        learned.learn(model, refusal)
    assert learned.of("a", {"seed": 1}) == refusal
    learned.learn("c", refusal)
    assert len(learned) == 2
    assert learned.of("b", {"seed": 1}) is None
    assert learned.of("a", {"top_p": 1}) is None


def test_a_server_that_refuses_both_names_is_not_asked_in_circles() -> None:
    learned = LearnedRefusals()
    learned.learn("m", Refusal("max_tokens", "max_tokens", "max_completion_tokens"))
    learned.learn("m", Refusal("max_completion_tokens", "max_tokens", "max_tokens"))
    assert learned.of("m", {"max_completion_tokens": 1}) is None


@pytest.mark.parametrize(
    ("payload", "refusal", "left"),
    [
        ({"a": 1, "seed": 2}, Refusal("seed", "seed"), {"a": 1}),
        (
            {"reasoning": {"effort": "low", "summary": "auto"}},
            Refusal("reasoning.effort", "reasoning_effort"),
            {"reasoning": {"summary": "auto"}},
        ),
        ({"text": {"verbosity": "low"}}, Refusal("text.verbosity", "verbosity"), {}),
        ({"logprobs": True, "top_logprobs": 2}, Refusal("logprobs", "logprobs"), {}),
        ({"max_tokens": 5}, Refusal("max_tokens", "max_tokens", "max_completion_tokens"),
         {"max_completion_tokens": 5}),
    ],
)  # fmt: skip
def test_takes_out_what_was_refused_and_nothing_else(
    payload: dict[str, object], refusal: Refusal, left: dict[str, object]
) -> None:
    before = dict(payload)
    assert without(payload, refusal) == left
    assert payload == before


@pytest.mark.parametrize(
    ("failure", "payload", "path"),
    [
        (Failure(400, code="unsupported_value", param="temperature"), {"temperature": 1},
         "temperature"),
        (Failure(400, code="unsupported_value", param="temperature"), {}, None),
        (Failure(400, code="unsupported_value", param="reasoning.effort"), {"reasoning": "x"},
         None),
        (Failure(400, code="unsupported_value", param="messages"), {"messages": []}, None),
        (Failure(429, code="unsupported_value", param="temperature"), {"temperature": 1}, None),
        (Failure(400, param="seed", message="Unrecognized request argument"), {"seed": 1}, "seed"),
        (Failure(400, code="unsupported_parameter", param="max_tokens"),
         {"max_tokens": 1, "max_completion_tokens": 1}, None),
    ],
)  # fmt: skip
def test_finds_the_preference_a_failure_is_about(
    failure: Failure, payload: dict[str, object], path: str | None
) -> None:
    found = refused_by(failure, payload)
    assert (found.path if found else None) == path


def test_a_refused_value_says_nothing_about_other_values() -> None:
    learned = LearnedRefusals()
    failure = Failure(400, code="unsupported_value", param="quality")
    refusal = refused_by(failure, {"quality": "high"})
    assert refusal is not None
    learned.learn("m", refusal)
    assert learned.of("m", {"quality": "high"}) == refusal
    assert learned.of("m", {"quality": "low"}) is None
    prose = Failure(400, param="quality", message="Unsupported value: 'high'.")
    assert refused_by(prose, {"quality": "high"}) == refusal
    whole = refused_by(
        Failure(400, code="unsupported_parameter", param="quality"), {"quality": "high"}
    )
    assert whole is not None
    learned.learn("m", whole)
    assert learned.of("m", {"quality": "low"}) == whole


def test_a_value_deep_inside_is_learned_by_itself() -> None:
    learned = LearnedRefusals()
    payload: dict[str, object] = {"text": {"verbosity": "high"}}
    refusal = refused_by(Failure(400, code="unsupported_value", param="text.verbosity"), payload)
    assert refusal is not None
    learned.learn("m", refusal)
    assert learned.of("m", payload) == refusal
    assert learned.of("m", {"text": {"verbosity": "low"}}) is None


def test_many_refused_values_do_not_fill_the_memory() -> None:
    learned = LearnedRefusals()
    for number in range(200):
        learned.learn("m", Refusal("temperature", "temperature", value=b"%d" % number))
    assert learned.of("m", {"temperature": 0}) is None
    assert learned.of("m", {"temperature": 199}) is not None
