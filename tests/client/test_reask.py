"""``reask``: a model whose answer does not fit is told so, and asked again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import gensdk
from gensdk.errors import (
    InvalidRequestError,
    OutputValidationError,
    ServerError,
    TimedOutError,
)
from gensdk.testing import Pause, ScriptedBackend, say
from gensdk.types import (
    Candidate,
    Cost,
    TextRequest,
    TextResponse,
    ToolCallPart,
    Usage,
)
from tests.support.scripts import ONCE, client_of, nothing_left, partial_of, scripted


class Recipe(BaseModel):
    title: str
    minutes: int


GOOD = '{"title": "Pancakes", "minutes": 20}'
BAD = '{"title": "Pancakes", "minutes": "soon"}'


def paid(text: str, **facts: Any) -> TextResponse[Any]:
    usage = Usage(input_tokens=10, output_tokens=5)
    cost = Cost(amount=Decimal("0.25"), currency="USD")
    return say(text, usage=usage, cost=cost, **facts)


def questions(backend: ScriptedBackend) -> list[TextRequest]:
    return [one.request for one in backend.asked if isinstance(one.request, TextRequest)]


async def test_the_model_is_told_what_is_wrong_and_asked_once_more() -> None:
    backend = scripted(paid(BAD), paid(GOOD))
    reply = await client_of(backend).text("Pancakes", system="s", output=Recipe, reask=1)
    assert reply.output == Recipe(title="Pancakes", minutes=20)
    first, second = questions(backend)
    assert second.system == first.system
    assert second.output == first.output
    asked, answer, told = second.messages
    assert (asked, answer.text, answer.role) == (first.messages[0], BAD, "assistant")
    assert told.role == "user"
    assert "minutes: Input should be a valid integer" in told.text
    assert reply.steps == (answer, told)
    nothing_left()


async def test_both_answers_are_counted_and_it_is_noted() -> None:
    reply = await client_of(scripted(paid(BAD), paid(GOOD))).text("x", output=Recipe, reask=1)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (20, 10)
    assert reply.cost is not None
    assert reply.cost.amount == Decimal("0.5")
    failed, done = reply.attempts
    assert (failed.outcome, failed.error, failed.billed) == ("error", "output_validation", "yes")
    assert done.outcome == "ok"
    (note,) = reply.warnings
    assert note.parameter == "output"
    assert "asked for again" in note.message


async def test_an_answer_that_fits_is_asked_for_once() -> None:
    backend = scripted(GOOD)
    reply = await client_of(backend).text("x", output=Recipe, reask=1)
    assert (len(backend.asked), reply.warnings, reply.steps) == (1, (), ())


async def test_without_it_nothing_is_asked_again() -> None:
    backend = scripted(BAD)
    with pytest.raises(OutputValidationError):
        await client_of(backend).text("x", output=Recipe)
    assert len(backend.asked) == 1


async def test_when_the_second_does_not_fit_either_both_are_on_the_error() -> None:
    backend = scripted(paid(BAD), paid("no JSON at all"))
    with pytest.raises(OutputValidationError) as caught:
        await client_of(backend).text("x", output=Recipe, reask=1)
    error = caught.value
    assert len(backend.asked) == 2
    assert error.text == "no JSON at all"
    assert [one.outcome for one in error.attempts] == ["error", "ok"]
    assert error.billed == "yes"
    assert partial_of(error).usage.output_tokens == 10


async def test_a_failure_of_the_second_question_tells_of_the_first() -> None:
    backend = scripted(paid(BAD), ServerError("down"))
    with pytest.raises(ServerError) as caught:
        await client_of(backend, retry=ONCE).text("x", output=Recipe, reask=1)
    assert [one.error for one in caught.value.attempts] == ["output_validation", "server"]
    assert caught.value.billed == "yes"
    assert partial_of(caught.value).text == BAD


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_is_not_asked_for_again(reason: Any) -> None:
    cut = TextResponse[Any](candidates=say("{").candidates, finish_reason=reason)
    backend = scripted(cut)
    with pytest.raises(OutputValidationError):
        await client_of(backend).text("x", output=Recipe, reask=1)
    assert len(backend.asked) == 1


async def test_it_obeys_the_deadline_of_the_one_call() -> None:
    pause = Pause()
    backend = scripted(BAD, [pause, GOOD])
    with pytest.raises(TimedOutError) as caught:
        await client_of(backend).text("x", output=Recipe, reask=1, timeouts=0.2)
    assert caught.value.phase == "total"
    assert pause.cancelled
    assert len(caught.value.attempts) == 2
    nothing_left()


async def test_it_obeys_the_budget_of_the_one_call() -> None:
    budget = gensdk.Budget(per_call="0.40", prices={"a": "0.25"})
    backend = scripted(paid(BAD), paid(GOOD))
    with pytest.raises(gensdk.errors.BudgetExceededError) as caught:
        await client_of(backend).text("x", output=Recipe, reask=1, budget=budget)
    assert len(backend.asked) == 1
    assert caught.value.attempts[0].error == "output_validation"


async def test_tools_run_before_and_after() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    call = TextResponse[Any](
        candidates=(Candidate(parts=(ToolCallPart(id="c", name="look"),)),),
        usage=Usage(output_tokens=1),
    )
    backend = scripted(call, paid(BAD), call, paid(GOOD))
    reply = await client_of(backend).text("x", output=Recipe, tools=[look], max_steps=2, reask=1)
    assert reply.output == Recipe(title="Pancakes", minutes=20)
    assert reply.usage.output_tokens == 12
    assert len(reply.attempts) == 4
    assert [one.role for one in reply.steps] == [
        "assistant", "tool", "assistant", "user", "assistant", "tool",
    ]  # fmt: skip
    assert [one.role for one in questions(backend)[3].messages][1:] == [
        one.role for one in reply.steps
    ]


async def test_an_empty_answer_is_not_sent_back() -> None:
    backend = scripted(TextResponse[Any](candidates=(Candidate(),)), GOOD)
    await client_of(backend).text("x", output=Recipe, reask=1)
    assert [one.role for one in questions(backend)[1].messages] == ["user", "user"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reask": -1, "output": Recipe}, "reask: a whole number"),
        ({"reask": "1", "output": Recipe}, "reask: a whole number"),
        ({"reask": None, "output": Recipe}, "reask: a whole number"),
        ({"reask": 1}, "output=, which was not given"),
        ({"reask": 1, "output": Recipe, "n": 2}, "do not go together"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(given: Any, words: str) -> None:
    backend = scripted(GOOD)
    with pytest.raises(InvalidRequestError, match=words):
        await client_of(backend).text("x", **given)
    assert backend.asked == []


@pytest.mark.parametrize("name", ["reask", "max_steps"])
async def test_streams_refuse_it_and_say_why(name: str) -> None:
    given: Any = {name: 2}
    with pytest.raises(InvalidRequestError, match=f"unknown parameter '{name}'. Only text"):
        async with client_of(scripted(GOOD)).stream_text("x", output=Recipe, **given):
            pass


def test_the_sync_client_asks_again_too() -> None:
    backend = scripted(BAD, GOOD)
    with gensdk.SyncClient(models={"text": "a:m"}, backends={"a": backend}) as client:
        assert client.text("x", output=Recipe, reask=1).output == Recipe(
            title="Pancakes", minutes=20
        )
