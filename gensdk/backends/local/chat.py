"""From a conversation to the tokens a model reads.

A tokenizer with a chat template gets the conversation through it, with control tokens in the
user's own text encoded as plain text (where the installed transformers can). Without one, a bare
prompt is continued as it stands, and a conversation becomes a plain transcript.

A template is a program that came with the model. It runs in jinja's immutable sandbox (transformers
sees to that) and here also against a clock.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from gensdk.errors import InvalidRequestError, ModelLoadError

from .job import Adaptation, ChatTurn, TextJob

__all__ = ["Prompt", "build_prompt", "render_within"]

TEMPLATE_SECONDS = 2.0
"""How long a chat template may take."""

_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}
_TEMPLATE_FILES = frozenset({"<template>", "<unknown>"})
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads.

    Attributes:
        ids: Tokens of the prompt.
        continues: Whether the answer goes on in the middle of a text, so that the space before
            its first word counts.
        strips_start: Whether white space at the start of the answer belongs to the transcript.
        stops: Strings that end the answer beside the caller's own.
        adaptations: What the caller should know.
    """

    ids: tuple[int, ...]
    continues: bool = False
    strips_start: bool = False
    stops: tuple[str, ...] = ()
    adaptations: tuple[Adaptation, ...] = ()


def build_prompt(tokenizer: Any, job: TextJob) -> Prompt:
    """Tokenize a job's conversation.

    Raises:
        InvalidRequestError: The template refuses this conversation, or the mode does not fit it.
        ModelLoadError: The template itself is broken or takes too long.
    """
    templated = bool(getattr(tokenizer, "chat_template", None))
    raw = job.mode == "raw" or (job.mode == "auto" and job.plain and not templated)
    if raw:
        if len(job.turns) != 1:
            raise InvalidRequestError(
                "mode='raw' continues one text: give a plain prompt without system and history"
            )
        return Prompt(ids=_encode(tokenizer, job.turns[0].text), continues=True)
    if templated:
        return _from_template(tokenizer, job.turns)
    return _transcript(tokenizer, job.turns)


def _encode(tokenizer: Any, text: str, *, special: bool = True) -> tuple[int, ...]:
    ids = tuple(tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])
    if not ids and tokenizer.bos_token_id is not None:
        ids = (tokenizer.bos_token_id,)
    if not ids:
        raise InvalidRequestError("the model's tokenizer makes no tokens of this prompt")
    return ids


def _transcript(tokenizer: Any, turns: Sequence[ChatTurn]) -> Prompt:
    """A conversation for a model that was never taught one."""
    lines = [f"{_NAMES[turn.role]}: {turn.text}" for turn in turns]
    continues = turns[-1].role == "assistant"
    text = "\n".join(lines if continues else [*lines, "Assistant:"])
    message = "the model has no chat template; the conversation was sent as a plain transcript"
    return Prompt(
        ids=_encode(tokenizer, text),
        continues=True,
        strips_start=not continues,
        stops=("\nUser:",),
        adaptations=(Adaptation("prompt", message),),
    )


def _from_template(tokenizer: Any, turns: Sequence[ChatTurn]) -> Prompt:
    from jinja2 import TemplateError

    try:
        return _apply(tokenizer, turns)
    except TemplateError as error:
        merged = _without_system(turns)
        if merged is None:
            raise _refused(error) from error
    try:
        prompt = _apply(tokenizer, merged)
    except TemplateError as error:
        raise _refused(error) from error
    message = (
        "the model's chat template takes no system prompt; it was put before the first message"
    )
    note = Adaptation("system", message)
    return Prompt(prompt.ids, prompt.continues, adaptations=(*prompt.adaptations, note))


def _refused(error: Exception) -> InvalidRequestError:
    return InvalidRequestError(f"the model's chat template refuses this conversation: {error}")


def _without_system(turns: Sequence[ChatTurn]) -> tuple[ChatTurn, ...] | None:
    """System turns put into the first message of the user; None where there are none."""
    system = [turn.text for turn in turns if turn.role == "system"]
    rest = [turn for turn in turns if turn.role != "system"]
    if not system or not rest or rest[0].role != "user":
        return None
    first = ChatTurn("user", "\n\n".join([*system, rest[0].text]))
    return (first, *rest[1:])


def _apply(tokenizer: Any, turns: Sequence[ChatTurn]) -> Prompt:
    continues = turns[-1].role == "assistant"
    options: dict[str, Any] = {
        "add_generation_prompt": not continues,
        "continue_final_message": continues,
        "tokenize": True,
        "return_dict": True,
    }
    if "sanitize_control_tokens" in inspect.signature(tokenizer.apply_chat_template).parameters:
        options["sanitize_control_tokens"] = True
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    try:
        encoded = render_within(
            TEMPLATE_SECONDS, lambda: tokenizer.apply_chat_template(messages, **options)
        )
    except (TimeoutError, OverflowError, MemoryError, RecursionError) as error:
        raise ModelLoadError(
            f"the model's chat template takes too long or too much room: {error}"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _refused(error) from error
    ids = tuple(encoded["input_ids"])
    if not ids:
        raise InvalidRequestError("the model's chat template makes no tokens of this conversation")
    return Prompt(ids=ids, continues=continues)


def render_within(seconds: float, render: Callable[[], ResultT]) -> ResultT:
    """Run ``render`` and end template code in it that runs longer than ``seconds``.

    The clock is looked at on every line of template code, through this thread's trace function;
    other code runs untraced.

    Raises:
        TimeoutError: The template took too long.
    """
    deadline = time.monotonic() + seconds

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in _TEMPLATE_FILES:
            return None
        if time.monotonic() > deadline:
            raise TimeoutError(f"over {seconds} s")
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        return render()
    finally:
        sys.settrace(before)
