"""One call of ``text`` that takes several questions: tools run, or the answer does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from gensdk._given import CallSettings
from gensdk._output import with_output
from gensdk._tools import answer_with_tools, joined, with_steps
from gensdk.errors import GenSDKError, InvalidRequestError, OutputValidationError
from gensdk.types import Message, ResponseWarning, TextRequest, TextResponse

if TYPE_CHECKING:
    from gensdk._calls import Calls

__all__ = ["converse"]

_MAX_PROBLEMS = 20
_MAX_PROBLEM = 300
_NO_USE = frozenset({"length", "content_filter"})
"""Ends after which the same question ends the same way."""


def _check_reask(request: TextRequest, reask: int) -> None:
    """Refuse settings with which nothing could be asked again.

    Raises:
        InvalidRequestError: ``reask`` is no number from 0, or there is no one answer to check.
    """
    if not isinstance(reask, int) or reask < 0:
        raise InvalidRequestError(
            f"reask: a whole number, 0 or more (given: {reask!r:.40})", param="reask"
        )
    if reask and request.output is None:
        raise InvalidRequestError(
            "reask asks again for output=, which was not given", param="reask"
        )
    if reask and request.n not in {None, 1}:
        raise InvalidRequestError("reask and n do not go together: one answer at a time")


async def converse(
    calls: Calls, request: TextRequest, settings: CallSettings, max_steps: int, reask: int
) -> TextResponse[Any]:
    """Answer with tools run in between, and ask again while the answer does not fit.

    All questions share the total time and the budgets of one call.
    """
    _check_reask(request, reask)
    resolved = calls.resolve(request, settings, "answer")
    total_s = calls.phases(resolved, settings, request).total
    deadline = asyncio.get_running_loop().time() + total_s
    within = settings.ending(deadline)

    async def ask(question: TextRequest) -> TextResponse[Any]:
        return await calls.answer(question, within, TextResponse)

    async def answer(question: TextRequest) -> TextResponse[Any]:
        return await answer_with_tools(ask, question, max_steps, total_s, deadline)

    def complete(response: TextResponse[Any]) -> TextResponse[Any]:
        return with_output(request, response, calls.is_free)

    return await _answer_that_fits(answer, complete, request, reask)


async def _answer_that_fits(
    ask: Callable[[TextRequest], Awaitable[TextResponse[Any]]],
    complete: Callable[[TextResponse[Any]], TextResponse[Any]],
    request: TextRequest,
    reask: int,
) -> TextResponse[Any]:
    """Ask; while ``complete`` refuses the answer, ask again, ``reask`` times at most.

    The response is the last answer's, with usage, cost, warnings and attempts of all; its
    ``steps`` hold the answers before and what was said about them. An answer that was cut at
    ``max_tokens``, or filtered, is not asked for again.

    Raises:
        OutputValidationError: The last answer does not fit either.
        GenSDKError: What a question ended with, with the attempts of those before it.
    """
    answers: list[TextResponse[Any]] = []
    done: list[Message] = []
    question = request
    while True:
        try:
            answers.append(await ask(question))
        except GenSDKError as error:
            raise with_steps(error, answers, done)  # noqa: B904  # the same error, completed
        whole = joined(answers, (*done, *answers[-1].steps))
        try:
            return complete(whole)
        except OutputValidationError as error:
            if len(answers) > reask or whole.finish_reason in _NO_USE:
                raise
            answers[-1] = _refused(answers[-1], error)
            done += _told(answers[-1], error)
        question = request.model_copy(update={"prompt": (*request.messages, *done)})


def _told(answer: TextResponse[Any], error: OutputValidationError) -> list[Message]:
    """The answer, and what is wrong with it."""
    problems = "\n".join(line[:_MAX_PROBLEM] for line in error.problems[:_MAX_PROBLEMS])
    said = (
        f"Your answer does not fit the schema:\n{problems}\n"
        "Answer again with the corrected JSON and nothing else."
    )
    own = [answer.message] if answer.text.strip() else []
    return [*answer.steps, *own, Message.user(said)]


def _refused(answer: TextResponse[Any], error: OutputValidationError) -> TextResponse[Any]:
    """An answer whose attempt says that it did not fit."""
    facts = {
        "outcome": "error",
        "error": error.kind,
        "message": error.message,
        "billed": error.billed,
    }
    *before, last = answer.attempts or (None,)  # a kept answer has none
    changed = () if last is None else (last.model_copy(update=facts),)
    note = ResponseWarning(
        kind="other",
        parameter="output",
        message=f"an answer did not fit and was asked for again: {error.message}"[:500],
    )
    return answer.replace(attempts=(*before, *changed), warnings=(*answer.warnings, note))
