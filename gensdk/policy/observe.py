"""The outermost layer: tells the hooks, and completes every answer and every error."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Any

from gensdk.errors import GenSDKError
from gensdk.types import Attempt, Cost, Response, ResponseWarning, Timing, unique

from .call import Call, Outcome, Step
from .hooks import CallContent, CallFinished, CallStarted, JobStarted, numbers_of
from .job import OpenJob
from .paid import worst
from .price import cost_of
from .stream import OpenStream

__all__ = ["Observer", "observe_job", "tell_started"]

logger = logging.getLogger("gensdk")

DEMO = (
    "this answer is from a small built-in demonstration model; name a model, such as "
    "'openai:gpt-6-luna', or set a provider's API key"
)


_FREE = Cost(amount=Decimal(0), source="cache", estimated=False)


class Observer:
    """The observe layer."""

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def observed(call: Call) -> Outcome:
            tell_started(call)
            try:
                outcome = await step(call)
            except GenSDKError as error:
                _account(call, error)
                _tell(call, error.kind, None)
                raise
            except BaseException as error:
                _tell(call, _kind(error), None)
                raise
            if isinstance(outcome, OpenStream):
                return _watch(call, outcome)
            if isinstance(outcome, OpenJob):
                call.emit(JobStarted(call.id, call.ability, outcome.handle))
                return observe_job(call, outcome)
            response = _complete(call, outcome, None)
            _tell(call, None, response)
            return response

        return observed


def tell_started(call: Call) -> None:
    """Tell the hooks that a call begins."""
    if call.emit.listens:
        call.emit(
            CallStarted(
                call_id=call.id,
                ability=call.ability,
                models=tuple(map(str, call.hops)),
                streaming=call.streaming,
                tag=call.request.tag,
                numbers=numbers_of(call.request),
            )
        )


def _account(call: Call, error: GenSDKError) -> None:
    """Put on an error what the whole call did: its tries, their price, what came of them."""
    error.attempts = tuple(call.attempts)
    error.billed = worst(error, call.attempts)
    if error.partial is None and call.rescued:
        error.partial = call.rescued[0]


def observe_job(call: Call, job: OpenJob) -> OpenJob:
    """Complete what a job made, and tell the hooks when it has ended."""

    def ended(response: Response | None, error: BaseException | None) -> None:
        _tell(call, None if response is not None else _kind(error), response)

    job.finish = lambda response: _complete(call, response, None)
    job.on_end(ended)
    return job


def _watch(call: Call, stream: OpenStream[Any]) -> OpenStream[Any]:
    def finish(response: Response) -> Response:
        return _complete(call, response, stream.first_output_s)

    def ended(response: Response | None, error: BaseException | None) -> None:
        if response is not None:
            _tell(call, None, response)
        else:
            _tell(call, _kind(error), None)

    stream.finish = finish
    stream.on_end(ended)
    return stream


def _kind(error: BaseException | None) -> str:
    """The word for an ending; a stream whose reader left early was cancelled too."""
    if error is None or isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return error.kind if isinstance(error, GenSDKError) else type(error).__name__


def _complete(call: Call, response: Response, first_output_s: float | None) -> Response:
    """Add what only the pipeline knows."""
    hop = call.here
    cost = _FREE if call.from_cache else cost_of(hop.facts.price_provider, hop.model, response)
    warnings = (*call.warnings, *response.warnings)
    if hop.facts.demo:
        warnings = (*warnings, ResponseWarning(kind="demo", message=DEMO))
    if call.lifecycle is not None and (note := call.lifecycle.note(hop)) is not None:
        warnings = (*warnings, note)
    return response.replace(
        provider=hop.provider,
        model=response.model or hop.model,
        cost=None if call.unpriced else cost,
        warnings=unique(warnings) if call.from_cache else warnings,
        attempts=() if call.from_cache else tuple(call.attempts),
        timing=_timing(call, first_output_s),
        cached=call.from_cache,
    )


def _timing(call: Call, first_output_s: float | None = None) -> Timing:
    duration = call.clock() - call.started
    return Timing(started_at=call.started_at, duration_s=duration, first_output_s=first_output_s)


def _tell(call: Call, error: str | None, response: Response | None) -> None:
    last: Attempt | None = call.attempts[-1] if call.attempts else None
    provider = response.provider if response else last.provider if last else None
    model = response.model if response else last.model if last else None
    logger.debug(
        "%s %s by %s:%s after %d attempts", call.ability, error or "ok", provider, model,
        len(call.attempts),
    )  # fmt: skip
    if not call.emit.listens:
        return
    if call.emit.takes_content:
        call.emit(CallContent(call.id, call.ability, call.request, response))
    call.emit(
        CallFinished(
            call_id=call.id,
            ability=call.ability,
            provider=provider,
            model=model,
            error=error,
            usage=response.usage if response and not call.from_cache else None,
            cost=response.cost if response else None,
            timing=response.timing if response else _timing(call),
            attempts=response.attempts if response else tuple(call.attempts),
            tag=call.request.tag,
            request_id=response.request_id if response else None,
            finish_reasons=_reasons(response),
            cached=call.from_cache,
        )
    )


def _reasons(response: Response | None) -> tuple[str, ...]:
    """Why each candidate ended, or the whole."""
    candidates = getattr(response, "candidates", ())
    found = [one.finish_reason for one in candidates] or [response and response.finish_reason]
    return tuple(reason for reason in found if reason)
