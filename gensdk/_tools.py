"""Runs the tools a model asks for, between the steps of one answer (``max_steps``)."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable
from typing import Any

from gensdk.errors import GenSDKError, InvalidRequestError, TimedOutError
from gensdk.types import (
    Attempt,
    Cost,
    Message,
    TextRequest,
    TextResponse,
    Timing,
    Tool,
    ToolCallPart,
    Usage,
    unique,
)

__all__ = ["answer_with_tools", "check_steps", "joined", "run_tool", "with_steps"]

Ask = Callable[[TextRequest], Awaitable[TextResponse[Any]]]
"""Asks once."""


def check_steps(request: TextRequest, max_steps: int) -> None:
    """Refuse settings with which tools could not be run.

    Raises:
        InvalidRequestError: ``max_steps`` is no number from 1, or over 1 with a tool that is no
            function.
    """
    if not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1:
        raise InvalidRequestError(
            f"max_steps: a whole number, 1 or more (given: {max_steps!r:.40})", param="max_steps"
        )
    if max_steps > 1:
        mute = [tool.name for tool in request.tools if tool.function is None]
        if mute:
            raise InvalidRequestError(
                f"max_steps runs tools, but {', '.join(mute)} has no function; pass the Python "
                "function itself, or leave max_steps out and run the calls yourself"
            )
        if request.n not in {None, 1}:
            raise InvalidRequestError("max_steps and n do not go together: one answer at a time")


async def answer_with_tools(
    ask: Ask, request: TextRequest, max_steps: int, total_s: float, deadline: float
) -> TextResponse[Any]:
    """Ask, run the tools that are called, ask again with their results, until there are none.

    The response is the last step's, with usage, warnings and attempts of all steps. When the
    steps are used up, the response still holds the open calls (``finish_reason="tool_calls"``).

    Raises:
        GenSDKError: What a step ended with, with the attempts of all steps; ``partial`` is the
            response so far. ``TimedOutError`` at ``deadline`` (loop time), which was ``total_s``
            seconds away when the call began.
    """
    done: list[Message] = []
    answers: list[TextResponse[Any]] = []
    question = request
    while True:
        try:
            answers.append(await ask(question))
        except GenSDKError as error:
            raise with_steps(error, answers, done)  # noqa: B904  # the same error, completed
        calls = answers[-1].tool_calls
        if not calls or len(answers) >= max_steps:
            return joined(answers, tuple(done))
        done.append(answers[-1].message)
        scope = asyncio.timeout_at(None if math.isinf(deadline) else deadline)
        try:
            async with scope:
                done.extend(await _run_all(request.tools, calls))
        except TimeoutError:
            if not scope.expired():
                raise  # the tool's own
            late = TimedOutError(
                f"the steps took longer than the {total_s:g} s allowed in total; a tool was still "
                "running",
                phase="total",
            )
            raise with_steps(late, answers, done) from None
        question = request.model_copy(update={"prompt": (*request.messages, *done)})


def with_steps(
    error: GenSDKError, answers: list[TextResponse[Any]], done: list[Message]
) -> GenSDKError:
    """Put on a step's error what the steps before it did, and cost."""
    if not answers:
        return error
    partial = joined(answers, tuple(done))
    last = partial.attempts[-1] if partial.attempts else None
    error.attempts = (*partial.attempts, *error.attempts)
    error.partial = partial
    if any(attempt.billed == "yes" for attempt in partial.attempts):
        error.billed = "yes"
    if error.provider is None and last is not None:
        error.provider, error.model = last.provider, last.model
    return error


async def _run_all(tools: tuple[Tool, ...], calls: tuple[ToolCallPart, ...]) -> list[Message]:
    """Run calls side by side. An exception of the user's function is raised as it is."""
    by_name = {tool.name: tool for tool in tools}
    tasks = [asyncio.create_task(run_tool(by_name, call)) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:  # by hand: before Python 3.13 a TaskGroup leaves its caller marked as cancelled
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_tool(tools: dict[str, Tool], call: ToolCallPart) -> Message:
    """Run one call and give its result as a message.

    What the model got wrong (an unknown tool, arguments that do not fit) goes back to the model
    as an error to correct. Plain functions run in a thread, so they may block.
    """
    tool = tools.get(call.name)
    if tool is None or tool.function is None:
        known = ", ".join(tools)
        return Message.tool(
            call.id, f"there is no tool {call.name!r}; tools: {known}", is_error=True
        )
    if call.malformed is not None:
        return Message.tool(call.id, "the arguments are not a JSON object", is_error=True)
    try:
        arguments = tool.validate_arguments(call.arguments)
    except ValueError as error:
        return Message.tool(call.id, f"wrong arguments: {error}", is_error=True)
    if inspect.iscoroutinefunction(tool.function):
        result = await tool.function(**arguments)
    else:
        result = await asyncio.to_thread(tool.function, **arguments)
        if inspect.isawaitable(result):
            result = await result
    return Message.tool(call.id, result)


def joined(answers: list[TextResponse[Any]], steps: tuple[Message, ...]) -> TextResponse[Any]:
    """The last of several answers, with what all of them used and cost, and how they came."""
    if len(answers) == 1:
        return answers[0].replace(steps=steps)
    asked = [answer for answer in answers if not answer.cached]
    attempts: tuple[Attempt, ...] = tuple(one for answer in answers for one in answer.attempts)
    return answers[-1].replace(
        usage=sum((answer.usage for answer in answers), Usage()),
        cost=Cost.total(answer.cost for answer in asked or answers),
        warnings=unique(item for answer in answers for item in answer.warnings),
        attempts=attempts,
        timing=_timing(answers),
        steps=steps,
        cached=not asked,
    )


def _timing(answers: list[TextResponse[Any]]) -> Timing:
    """From the first question to the last answer, the tools' own time included."""
    first, last = answers[0].timing, answers[-1].timing
    if first.started_at is None or last.started_at is None:
        return first
    before = (last.started_at - first.started_at).total_seconds()
    return first.model_copy(update={"duration_s": max(0.0, before) + last.duration_s})
